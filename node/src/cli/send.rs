//! Sending stored bytes, and what is said of the outcome. The wallet notes each step, so that a
//! command that is ended at any point can be followed by `tx wait` or `tx retry`.

use super::answer::Answer;
use super::args::Until;
use super::context::Context;
use super::tracker::{Tracker, outcome, unknown, with_transfer};
use crate::client::{Client, SubmitOutcome, Wait};
use crate::durable;
use crate::error::{CONFIG, Failure, OVERLOADED};
use crate::view::{ReceiptDocument, TransferDocument, verify_bytes};
use crate::wallet::{Progress, Wallet};
use bytes::Bytes;
use ledger::{Canonical, Network, SignedTransfer, TransferId};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longest pause before a transfer that was refused as "overloaded" is sent again, ms.
const BUSY_PAUSE_MS: u64 = 1_000;

/// Where the receipt goes, and what it is checked against.
pub struct ReceiptOrder {
    file: PathBuf,
    network: Network,
}

impl ReceiptOrder {
    /// Reads the genesis before anything is sent: without it a receipt can't be checked.
    ///
    /// # Errors
    /// As [`Context::genesis`].
    pub fn new(context: &Context, file: Option<&PathBuf>) -> Result<Option<Self>, Failure> {
        let Some(file) = file else { return Ok(None) };
        Ok(Some(Self { file: file.clone(), network: context.genesis(None)? }))
    }
}

/// A sender of stored bytes.
pub struct Sender<'a> {
    /// Flags and names.
    pub context: &'a Context,
    /// The nodes.
    pub client: &'a Client,
    /// Where the outcome is noted.
    pub wallet: &'a Wallet,
    /// Whether the transfer may have been sent before: that a node refuses it now says nothing of
    /// what became of it then.
    pub may_be_sent: bool,
}

impl Sender<'_> {
    /// Sends and waits as asked; the wallet lets go of the tokens when the transfer has ended, or
    /// when it is certain that no node has taken it.
    ///
    /// # Errors
    /// The transfer's own failure, or why it could not be sent.
    pub async fn send(
        &self,
        signed: &SignedTransfer,
        until: Until,
        receipt: Option<ReceiptOrder>,
    ) -> Result<Answer, Failure> {
        let id = signed.transfer.id();
        let sent = tokio::select! {
            sent = self.submit(signed, until) => sent,
            _ = tokio::signal::ctrl_c() => Err(unknown(id, "the command was interrupted")),
        };
        let sent = match sent {
            Ok(sent) => sent,
            Err(failure) => return Err(self.failed(id, failure)?),
        };
        let status = Progress::of_word(&sent.transfer.status).unwrap_or(Progress::Submitted);
        if let Some(error) = &sent.transfer.error {
            Tracker { wallet: self.wallet }.note_spent(&error.code, &error.details)?;
        }
        self.wallet.settle(&id, status)?;
        if until == Until::Submitted && receipt.is_none() && status == Progress::Submitted {
            return Ok(self.answer(&sent.transfer));
        }
        let document = outcome(sent.transfer)?;
        if let Some(order) = receipt {
            self.write_receipt(&sent.node, id, &order).await?;
        }
        Ok(self.answer(&document))
    }

    async fn submit(
        &self,
        signed: &SignedTransfer,
        until: Until,
    ) -> Result<SubmitOutcome, Failure> {
        let wait = match until {
            Until::Final => Wait::Final,
            Until::Submitted => Wait::Submitted,
        };
        let mut sent = self.send_until_taken(signed.to_bytes().into(), wait).await?;
        if until == Until::Final && sent.transfer.status == "submitted" {
            let client = Client::new([&sent.node], self.context.settings.timeout)?;
            let left = self.context.settings.timeout;
            let found = client.transfer(signed.transfer.id(), Some(left)).await;
            // Not learning more is no failure: what is known stays.
            sent.transfer = found.unwrap_or(sent.transfer);
        }
        Ok(sent)
    }

    /// Sends the same bytes again when every node was too busy to take them, after the pause that
    /// they ask for, for as long as `--timeout` says.
    async fn send_until_taken(&self, bytes: Bytes, wait: Wait) -> Result<SubmitOutcome, Failure> {
        let until = Instant::now() + self.context.settings.timeout;
        let mut is_told = false;
        loop {
            let failure = match self.client.submit(bytes.clone(), wait).await {
                Err(failure) if failure.code.slug == OVERLOADED.slug => failure,
                other => return other,
            };
            let pause_ms = failure.details["retry_after_ms"].as_u64().unwrap_or(BUSY_PAUSE_MS);
            let pause = Duration::from_millis(pause_ms.clamp(BUSY_PAUSE_MS / 20, BUSY_PAUSE_MS));
            if Instant::now() + pause >= until {
                return Err(failure);
            }
            if !std::mem::replace(&mut is_told, true) {
                self.context
                    .note("the nodes are busy; the same bytes go out again until one is not");
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Notes a failure in the wallet and adds what to run next.
    fn failed(&self, id: TransferId, failure: Failure) -> Result<Failure, Failure> {
        Tracker { wallet: self.wallet }.note_spent(failure.code.slug, &failure.details)?;
        let is_refused =
            matches!(failure.code.exit, 3 | 4 | 8 | 10) || failure.code.slug == OVERLOADED.slug;
        match failure.code.exit {
            // Nothing was sent, or nothing was proposed: now, and not before either.
            _ if is_refused && !self.may_be_sent => self.wallet.release(&id)?,
            5 if !is_refused => self.wallet.settle(&id, Progress::Rejected)?,
            6 => self.wallet.settle(&id, Progress::Locked)?,
            _ => self.wallet.settle(&id, Progress::Unknown)?,
        }
        if self.may_be_sent && (failure.code.exit == 8 || failure.code.slug == OVERLOADED.slug) {
            let what = format!("it was sent before; now {}", failure.message);
            let failure = unknown(id, &what).details(failure.details);
            return Ok(with_transfer(failure, id, Value::Null));
        }
        if failure.code.exit == 7 {
            let why = failure.message.split("; it may have been").next().unwrap_or_default();
            let why = why.trim_start_matches(&format!("the outcome of transfer {id} is unknown: "));
            let details = failure.details.clone();
            return Ok(with_transfer(unknown(id, why).details(details), id, Value::Null));
        }
        let failure = match failure.code.is_retryable {
            true => failure.help(format!("quorate tx retry {id}   sends the same bytes again")),
            false => failure,
        };
        Ok(with_transfer(failure, id, Value::Null))
    }

    /// Fetches the receipt, checks all of it and writes it.
    async fn write_receipt(
        &self,
        node: &str,
        id: TransferId,
        order: &ReceiptOrder,
    ) -> Result<(), Failure> {
        let client = Client::new([node], self.context.settings.timeout)?;
        let bytes = client.receipt(id).await?;
        let verified = verify_bytes(&bytes, &order.network)?;
        let text = ReceiptDocument::of(order.network.id, verified.receipt()).to_text();
        durable::replace(&order.file, text.as_bytes()).map_err(|error| {
            let file = order.file.display();
            let what = format!("transfer {id} is final; its receipt can't be written: {file}");
            Failure::new(CONFIG, format!("{what}: {error}"))
                .help(format!("quorate tx retry {id} --receipt FILE"))
        })
    }

    fn answer(&self, document: &TransferDocument) -> Answer {
        Answer::new(
            serde_json::to_value(document).unwrap_or_default(),
            for_people(self.context, document),
        )
    }
}

/// A transfer for people.
pub fn for_people(context: &Context, document: &TransferDocument) -> String {
    let (from, to) = (context.name_of(&document.from), context.name_of(&document.to));
    let (amount, asset) = (&document.amount, &document.asset);
    let tokens = match document.tokens_spent {
        1 => "1 token".into(),
        tokens => format!("{tokens} tokens"),
    };
    let mut text = format!(
        "{}: {from} → {to} {amount} {asset} ({tokens} spent)\ntransfer {}\n",
        document.status, document.id
    );
    if !document.memo.is_empty() {
        text.push_str(&format!("memo {:?}\n", document.memo));
    }
    if let Some(votes) = &document.votes {
        let voters = votes.commit.join(", ");
        text.push_str(&format!("committed by {voters}; {} needed\n", votes.quorum));
    }
    if let Some(stages) = &document.stages_us {
        text.push_str(&format!(
            "{}.{:03} ms from admission to the durable certificate (lock {} µs, commit {} µs)\n",
            stages.total / 1_000,
            stages.total % 1_000,
            stages.lock,
            stages.commit
        ));
    }
    if let Some(error) = &document.error {
        text.push_str(&format!("{}\n", error.message));
        for help in &error.help {
            text.push_str(&format!("  next: {help}\n"));
        }
    }
    text
}
