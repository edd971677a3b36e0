//! `tx show|wait|retry|forget|list`: what became of transfers.

use super::answer::Answer;
use super::args::{TxCommand, Until};
use super::context::{Context, transfer_id};
use super::send::{Sender, for_people};
use super::shortage;
use super::table::Table;
use super::tracker::{Found, Tracker, not_found, outcome, unknown};
use crate::client::Client;
use crate::error::{Failure, USAGE};
use crate::view::TransferDocument;
use crate::wallet::{Progress, Record, Wallet};
use ledger::TransferId;
use serde_json::json;
use std::time::Duration;

/// How often nodes are asked again for a transfer that none of them knows yet.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// `tx …`.
pub async fn tx(context: &Context, command: &TxCommand) -> Result<Answer, Failure> {
    let client = context.client()?;
    let wallet = context.wallet(context.network(&client).await?.id)?;
    match command {
        TxCommand::Show(args) => show(context, &wallet, transfer_id(&args.id)?).await,
        TxCommand::Wait(args) => wait(context, &wallet, transfer_id(&args.id)?).await,
        TxCommand::Retry(args) => retry(context, &client, &wallet, transfer_id(&args.id)?).await,
        TxCommand::Forget(args) => forget(&wallet, transfer_id(&args.id)?),
        TxCommand::List => list(context, &wallet),
    }
}

async fn show(context: &Context, wallet: &Wallet, id: TransferId) -> Result<Answer, Failure> {
    let tracker = Tracker { wallet };
    let found = tracker.look(&context.nodes()?, context.settings.timeout, id, None).await?;
    match (found, wallet.record(&id)?) {
        (Found::Known(found), _) => {
            tracker.note(&found)?;
            Ok(answer(context, &found))
        }
        (Found::NotKnown, Some(record)) => Ok(of_record(context, &record)),
        (Found::NotKnown, None) => Err(not_found(id)),
        (Found::Unsure(failure), None) => Err(failure),
        (Found::Unsure(_), Some(record)) => Ok(of_record(context, &record)),
    }
}

async fn wait(context: &Context, wallet: &Wallet, id: TransferId) -> Result<Answer, Failure> {
    let tracker = Tracker { wallet };
    let deadline = context.deadline();
    let mut pace = tokio::time::interval(LOOK_AGAIN);
    loop {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let timeout = context.settings.timeout;
        let found = tracker.look(&context.nodes()?, timeout, id, Some(left)).await?;
        let is_over = tokio::time::Instant::now() >= deadline;
        match found {
            Found::Known(found) => {
                tracker.note(&found)?;
                let is_open = matches!(found.status.as_str(), "submitted" | "unknown");
                if !is_open || is_over {
                    return outcome(*found).map(|found| answer(context, &found));
                }
            }
            Found::NotKnown if wallet.record(&id)?.is_none() => return Err(not_found(id)),
            Found::Unsure(failure) if wallet.record(&id)?.is_none() => return Err(failure),
            Found::NotKnown if is_over => return Err(unknown(id, "no node knows it")),
            Found::Unsure(failure) if is_over => return Err(unknown(id, &failure.message)),
            Found::NotKnown | Found::Unsure(_) => {}
        }
        pace.tick().await;
    }
}

async fn retry(
    context: &Context,
    client: &Client,
    wallet: &Wallet,
    id: TransferId,
) -> Result<Answer, Failure> {
    let signed = wallet.signed(&id)?.ok_or_else(|| not_found(id))?;
    let mut promises = wallet.promises()?;
    // Tokens that were promised elsewhere since: both could be locked for ever.
    promises
        .promise(id, &signed, Progress::Submitted)?
        .map_err(|held| shortage::promised(held.token, held.held_by).failure)?;
    drop(promises);
    wallet.settle(&id, Progress::Submitted)?;
    Sender { context, client, wallet }.send(&signed, Until::Final, None).await
}

fn forget(wallet: &Wallet, id: TransferId) -> Result<Answer, Failure> {
    let record = wallet.record(&id)?.ok_or_else(|| not_found(id))?;
    if record.status != Progress::Signed {
        let status = record.status.word();
        let what = format!("transfer {id} is {status}: only one that was never sent can be let go");
        return Err(Failure::new(USAGE, what + "; nothing was changed")
            .help(format!("quorate tx wait {id}")));
    }
    wallet.release(&id)?;
    let document = json!({"schema": "quorate.tx-forget/1", "ok": true, "id": id});
    Ok(Answer::new(
        document,
        format!("the tokens of transfer {id} are free again; never send it\n"),
    ))
}

fn list(context: &Context, wallet: &Wallet) -> Result<Answer, Failure> {
    let records = wallet.records()?;
    let mut table = Table::new(&["transfer", "status", "from", "to", "amount", "asset"]);
    for record in &records {
        table.row([
            record.id.to_string(),
            record.status.word().into(),
            context.name_of(&record.from),
            record.to.map_or("-".into(), |to| context.name_of(&to)),
            record.amount.clone(),
            record.asset.clone(),
        ]);
    }
    let document = json!({"schema": "quorate.tx-list/1", "ok": true, "transfers": records});
    let text = match records.is_empty() {
        true => format!("no transfers in {}\n", wallet.folder().display()),
        false => table.render(),
    };
    Ok(Answer::new(document, text))
}

fn answer(context: &Context, found: &TransferDocument) -> Answer {
    let document = serde_json::to_value(found).unwrap_or_default();
    Answer::new(document, for_people(context, found))
}

/// What the wallet alone knows.
fn of_record(context: &Context, record: &Record) -> Answer {
    let document = json!({
        "schema": "quorate.transfer/1", "ok": true, "id": record.id,
        "status": record.status.word(), "from": record.from, "to": record.to,
        "asset": record.asset, "amount": record.amount, "tokens_spent": record.tokens_spent,
        "memo": record.memo,
    });
    let to = record.to.map_or("-".into(), |to| context.name_of(&to));
    let text = format!(
        "{}: {} → {to} {} {}\ntransfer {}\n\
         no node that answers knows it\nnext: quorate tx retry {}\n",
        record.status.word(),
        context.name_of(&record.from),
        record.amount,
        record.asset,
        record.id,
        record.id
    );
    Answer::new(document, text)
}
