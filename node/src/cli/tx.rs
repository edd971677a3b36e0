//! `tx show|wait|retry|forget|list`: what became of transfers.

use super::answer::Answer;
use super::args::{TxCommand, Until};
use super::context::{Context, transfer_id};
use super::send::{ReceiptOrder, Sender, for_people};
use super::shortage;
use super::table::Table;
use super::tracker::{Found, Tracker, not_found, outcome, unknown};
use crate::error::{Failure, OUTCOME_UNKNOWN, USAGE};
use crate::view::TransferDocument;
use crate::wallet::{Progress, Record, Wallet};
use ledger::TransferId;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// How often nodes are asked again for a transfer that none of them knows yet.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// `tx …`.
pub async fn tx(context: &Context, command: &TxCommand) -> Result<Answer, Failure> {
    let client = context.client()?;
    let wallet = context.wallet(context.network(&client).await?.id)?;
    match command {
        TxCommand::Show(args) => show(context, &wallet, transfer_id(&args.id)?).await,
        TxCommand::Wait(args) => match &args.id {
            Some(id) => wait(context, &wallet, transfer_id(id)?, context.deadline()).await,
            None => wait_for_all(context, &wallet).await,
        },
        TxCommand::Retry(args) => {
            let receipt = ReceiptOrder::new(context, args.receipt.as_ref())?;
            let sender = Sender { context, client: &client, wallet: &wallet, may_be_sent: true };
            match &args.id {
                Some(id) => retry(&sender, transfer_id(id)?, receipt).await,
                None => retry_all(&sender).await,
            }
        }
        TxCommand::Forget(args) => forget(&wallet, transfer_id(&args.id)?),
        TxCommand::List(args) => list(context, &wallet, args.pending),
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

async fn wait(
    context: &Context,
    wallet: &Wallet,
    id: TransferId,
    deadline: Instant,
) -> Result<Answer, Failure> {
    let tracker = Tracker { wallet };
    let mut pace = tokio::time::interval(LOOK_AGAIN);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = context.settings.timeout;
        let found = tracker.look(&context.nodes()?, timeout, id, Some(left)).await?;
        let is_over = Instant::now() >= deadline;
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

/// Waits for every transfer that may have been sent, all of them until the one deadline.
async fn wait_for_all(context: &Context, wallet: &Wallet) -> Result<Answer, Failure> {
    let deadline = context.deadline();
    let ids = open(wallet)?;
    for id in &ids {
        of_its_own(wait(context, wallet, *id, deadline).await)?;
    }
    ended(context, wallet, &ids)
}

async fn retry(
    sender: &Sender<'_>,
    id: TransferId,
    receipt: Option<ReceiptOrder>,
) -> Result<Answer, Failure> {
    let wallet = sender.wallet;
    let signed = wallet.signed(&id)?.ok_or_else(|| not_found(id))?;
    let before = wallet.record(&id)?;
    let is_unsent = |status| matches!(status, Progress::Signed | Progress::Rejected);
    let may_be_sent = before.is_none_or(|record| !is_unsent(record.status));
    let sender = Sender { may_be_sent, ..*sender };
    wallet.keep(&id)?;
    let mut promises = wallet.promises()?;
    // Tokens that were promised elsewhere since: both could be locked for ever.
    promises
        .promise(id, &signed, Progress::Submitted)?
        .map_err(|held| shortage::promised(held.token, held.held_by).failure)?;
    drop(promises);
    wallet.settle(&id, Progress::Submitted)?;
    sender.send(&signed, Until::Final, receipt).await
}

/// Sends every transfer again that may have been sent, one after the other.
async fn retry_all(sender: &Sender<'_>) -> Result<Answer, Failure> {
    let ids = open(sender.wallet)?;
    for id in &ids {
        of_its_own(retry(sender, *id, None).await)?;
    }
    ended(sender.context, sender.wallet, &ids)
}

fn open(wallet: &Wallet) -> Result<Vec<TransferId>, Failure> {
    let records = wallet.records()?;
    Ok(records.iter().filter(|record| record.status.is_open()).map(|record| record.id).collect())
}

/// What one transfer came to stands in the wallet and stops no other. A failure that would be that
/// of all others, too, ends the command.
fn of_its_own(outcome: Result<Answer, Failure>) -> Result<(), Failure> {
    match outcome {
        Err(failure) if !matches!(failure.code.exit, 5..=8) => Err(failure),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What became of these transfers; exit 7 when one of them has not ended.
fn ended(context: &Context, wallet: &Wallet, ids: &[TransferId]) -> Result<Answer, Failure> {
    let mut records = wallet.records()?;
    records.retain(|record| ids.contains(&record.id));
    let left = records.iter().filter(|record| !record.status.is_ended()).count();
    let document = json!({"schema": "quorate.tx-list/1", "ok": true, "transfers": records});
    let mut text = match records.is_empty() {
        true => "no transfer that may have been sent is without its end; nothing was sent\n".into(),
        false => table(context, &records).render(),
    };
    if left == 0 {
        return Ok(Answer::new(document, text));
    }
    text.push_str(&format!("{left} have not ended\nnext: quorate tx retry\n"));
    Ok(Answer::new(document, text).exit(OUTCOME_UNKNOWN.exit))
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

fn list(context: &Context, wallet: &Wallet, is_pending: bool) -> Result<Answer, Failure> {
    let mut records = wallet.records()?;
    records.retain(|record| !is_pending || !record.status.is_ended());
    let document = json!({"schema": "quorate.tx-list/1", "ok": true, "transfers": records});
    let text = match records.is_empty() {
        true if is_pending => format!("every transfer in {} ended\n", wallet.folder().display()),
        true => format!("no transfers in {}\n", wallet.folder().display()),
        false => table(context, &records).render(),
    };
    Ok(Answer::new(document, text))
}

fn table(context: &Context, records: &[Record]) -> Table {
    let mut table = Table::new(&["transfer", "status", "from", "to", "amount", "asset"]);
    for record in records {
        table.row([
            record.id.to_string(),
            record.status.word().into(),
            context.name_of(&record.from),
            record.to.map_or("-".into(), |to| context.name_of(&to)),
            record.amount.clone(),
            record.asset.clone(),
        ]);
    }
    table
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
