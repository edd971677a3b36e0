//! `balance`, `tokens`: what an account has.

use super::answer::Answer;
use super::context::Context;
use super::table::Table;
use crate::error::Failure;

/// `balance ADDR`.
pub async fn balance(context: &Context, account: &str) -> Result<Answer, Failure> {
    let address = context.account(account)?;
    let document = context.client()?.account(address).await?;
    let mut table = Table::new(&["asset", "amount", "tokens", "locked", "name"]);
    for row in &document.balances {
        let tokens = row.tokens.to_string();
        let cells = [&row.asset, &row.amount, &tokens, &row.locked, &row.name];
        table.row(cells.map(String::clone));
    }
    let text = match document.balances.is_empty() {
        true => format!("{} has nothing\n", context.name_of(&address)),
        false => table.render(),
    };
    Ok(Answer::new(serde_json::to_value(&document).unwrap_or_default(), text))
}

/// `tokens ADDR`.
pub async fn tokens(context: &Context, account: &str) -> Result<Answer, Failure> {
    let address = context.account(account)?;
    let document = context.client()?.tokens(address).await?;
    let mut table = Table::new(&["token", "asset", "amount", "height", "locked by"]);
    for row in &document.tokens {
        let locked_by = row.locked_by.map_or_else(String::new, |id| id.to_string());
        let height = row.height.to_string();
        table.row([row.id.to_string(), row.asset.clone(), row.amount.clone(), height, locked_by]);
    }
    let text = match document.tokens.is_empty() {
        true => format!("{} has no tokens\n", context.name_of(&address)),
        false => table.render(),
    };
    Ok(Answer::new(serde_json::to_value(&document).unwrap_or_default(), text))
}
