//! `token show|history|verify`: one token and its chain of transfers.

use super::answer::Answer;
use super::args::TokenCommand;
use super::context::Context;
use super::table::Table;
use crate::client::Client;
use crate::error::{Failure, USAGE, VERIFICATION_FAILED};
use crate::view::verify_bytes;
use ledger::{Address, Made, Network, TokenId, TransferId, cid_text};
use serde_json::json;

/// `token …`.
pub async fn token(context: &Context, command: &TokenCommand) -> Result<Answer, Failure> {
    let client = context.client()?;
    match command {
        TokenCommand::Show(args) => show(context, &client, token_id(&args.id)?).await,
        TokenCommand::History(args) => history(context, &client, token_id(&args.id)?).await,
        TokenCommand::Verify(args) => {
            let network = context.genesis(None)?;
            verify(context, &client, &network, token_id(&args.id)?).await
        }
    }
}

fn token_id(text: &str) -> Result<TokenId, Failure> {
    text.parse().map_err(|error: ledger::hash::BadId| {
        Failure::new(USAGE, format!("{error}; nothing was sent"))
            .help("quorate tokens ADDR   lists token ids")
    })
}

async fn show(context: &Context, client: &Client, id: TokenId) -> Result<Answer, Failure> {
    let found = client.token(id).await?;
    let mut text = format!(
        "{} {} of {}\nheight {}, state {}\n",
        found.token.amount,
        found.token.asset,
        context.name_of(&found.owner),
        found.token.height,
        found.token.state_cid
    );
    if let Some(by) = found.ended_by {
        text.push_str(&format!("spent by transfer {by}\n"));
    }
    if let Some(by) = found.token.locked_by {
        text.push_str(&format!("locked by transfer {by}\n"));
    }
    Ok(Answer::new(serde_json::to_value(&found).unwrap_or_default(), text))
}

async fn history(context: &Context, client: &Client, id: TokenId) -> Result<Answer, Failure> {
    let mut found = client.history(id).await?;
    // Nodes tell the newest first, people read forwards.
    found.history.reverse();
    let mut table = Table::new(&["height", "owner", "from", "transfer"]);
    for row in &found.history {
        let from = row.from.map_or("-".into(), |from| context.name_of(&from));
        let is_genesis = row.made_by == TransferId::default();
        let by = if is_genesis { "genesis".into() } else { row.made_by.to_string() };
        table.row([row.height.to_string(), context.name_of(&row.owner), from, by]);
    }
    let mut text = table.render();
    if let Some(by) = found.ended_by {
        text.push_str(&format!("spent by transfer {by}\n"));
    }
    Ok(Answer::new(serde_json::to_value(&found).unwrap_or_default(), text))
}

/// Each state of the chain is made by a final transfer that spends the one before, down to genesis
/// or to the transfer that created the token; every receipt is checked with the genesis alone.
async fn verify(
    context: &Context,
    client: &Client,
    network: &Network,
    id: TokenId,
) -> Result<Answer, Failure> {
    let mut history = client.history(id).await?;
    history.history.reverse();
    let mut before: Option<Made> = None;
    for row in &history.history {
        let next = match row.made_by == TransferId::default() {
            true => of_genesis(network, id),
            false => {
                let bytes = client.receipt(row.made_by).await?;
                of_receipt(&bytes, network, id, before)?
            }
        };
        let next = next.ok_or_else(|| broken(id, row.height, "no such state was made"))?;
        let is_told = next.state.height == row.height
            && next.owner == row.owner
            && cid_text(&next.state.cid()) == row.state_cid
            && before.map(|before| before.owner) == row.from.filter(|_| before.is_some());
        if !is_told || next.state.made_by != row.made_by {
            return Err(broken(id, row.height, "the node tells another state than its receipts"));
        }
        before = Some(next);
    }
    let Some(last) = before else {
        return Err(broken(id, 0, "the node tells no history"));
    };
    let owner = last.owner;
    let states = history.history.len();
    let document = json!({
        "schema": "quorate.token-check/1", "ok": true, "verified": true, "id": id,
        "states": states, "height": last.state.height, "owner": owner,
        "state_cid": cid_text(&last.state.cid()), "asset_id": last.asset,
        "ended_by": history.ended_by,
    });
    let name = context.name_of(&owner);
    let text = format!("verified: {states} states from the first on, now {name}'s\n");
    Ok(Answer::new(document, text))
}

fn of_genesis(network: &Network, id: TokenId) -> Option<Made> {
    network.tokens().find(|made| made.state.token == id)
}

/// The state that a final transfer made of the token, out of the state before it or newly.
fn of_receipt(
    bytes: &[u8],
    network: &Network,
    id: TokenId,
    before: Option<Made>,
) -> Result<Option<Made>, Failure> {
    let verified = verify_bytes(bytes, network)?;
    let transfer = verified.transfer().transfer();
    let spent = transfer.inputs.iter().find(|input| input.state.token == id);
    let is_linked = match (before, spent) {
        (Some(before), Some(spent)) => is_same(&before, spent, transfer.owner),
        (None, None) => true,
        _ => false,
    };
    if !is_linked {
        return Err(broken(id, 0, "a transfer does not spend the state before it"));
    }
    let made = transfer.made(verified.id());
    Ok(made.into_iter().find(|made| made.state.token == id))
}

fn is_same(before: &Made, spent: &ledger::Input, owner: Address) -> bool {
    before.state == spent.state
        && before.asset == spent.asset
        && before.amount == spent.amount
        && before.owner == owner
}

fn broken(id: TokenId, height: u64, why: &str) -> Failure {
    let what = format!("token {id} is not proven at height {height}: {why}; nothing was changed");
    Failure::new(VERIFICATION_FAILED, what)
        .help("ask another node with --node")
        .details(json!({"token": id, "height": height}))
}
