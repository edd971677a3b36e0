//! Payments from the testnet's accounts: what `quorate transfer` does, with the same wallet. Bytes
//! are stored before they are sent and tokens are promised, so the page and the command line never
//! sign one token twice, and `quorate tx` knows what the page has sent.
//!
//! The wallet locks files and waits for them: that is on blocking threads.

use super::orders::{broken, ended};
use super::state::balances;
use super::{Desk, stopped};
use crate::plan::ASSET;
use node::Failure;
use node::cli::args::{Global, SendingArgs, TransferArgs, Until};
use node::cli::context::Context;
use node::cli::transfer;
use node::error::{INSUFFICIENT_FUNDS, NOT_FOUND, OVERLOADED};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// What the faucet gives unless it is told how much.
const FAUCET_AMOUNT: &str = "10";
/// Memo of what the faucet gives.
const FAUCET_MEMO: &str = "faucet";

/// The body of `POST /testnet/transfer`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payment {
    /// Name of an account of the testnet.
    pub(super) from: String,
    /// Name of an account, or an address.
    pub(super) to: String,
    /// Decimal text, of the testnet's own asset.
    pub(super) amount: String,
    /// At most 256 bytes.
    #[serde(default)]
    pub(super) memo: String,
}

/// The body of `POST /testnet/faucet`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gift {
    /// Name of an account, or an address.
    pub(super) to: String,
    /// Decimal text.
    #[serde(default)]
    pub(super) amount: Option<String>,
}

/// Pays, and waits until that is final; gives the transfer's document.
///
/// # Errors
/// As `quorate transfer`; `overloaded`.
pub(super) async fn pay(desk: &Desk, payment: Payment) -> Result<Value, Failure> {
    let permit = desk.payments.clone().try_acquire_owned().map_err(|_| {
        Failure::new(OVERLOADED, "too many payments are under way; nothing was sent")
            .help("send it again in a second")
    })?;
    let (dir, stopping) = (desk.folder.dir.clone(), desk.stopping.clone());
    let paying = tokio::task::spawn_blocking(move || {
        let done = pay_now(&dir, payment, stopping);
        drop(permit);
        done
    });
    paying.await.map_err(|error| broken(&error))?
}

/// Gives from the richest of the first accounts.
///
/// # Errors
/// As [`pay`].
pub(super) async fn give(desk: &Desk, gift: Gift) -> Result<Value, Failure> {
    let file = desk.upstreams.file()?;
    let balances = balances(&desk.upstreams, &file).await?;
    let others = balances.iter().filter(|one| one.name != gift.to && one.address != gift.to);
    let Some(richest) = others.max_by_key(|one| one.units).filter(|one| one.units > 0) else {
        let what = format!("no account of this testnet has any {ASSET}; nothing was sent");
        return Err(Failure::new(INSUFFICIENT_FUNDS, what)
            .help("quorate-testnet reset   starts again with the first balances"));
    };
    let payment = Payment {
        from: richest.name.clone(),
        to: gift.to,
        amount: gift.amount.unwrap_or_else(|| FAUCET_AMOUNT.into()),
        memo: FAUCET_MEMO.into(),
    };
    pay(desk, payment).await
}

fn pay_now(
    dir: &Path,
    payment: Payment,
    stopping: watch::Receiver<bool>,
) -> Result<Value, Failure> {
    // Where the command line keeps what it has signed, so that both have one list of promises.
    let home = std::env::var_os("QUORATE_HOME").map(PathBuf::from);
    let testnet = Some(dir.to_path_buf());
    let global = Global { json: true, quiet: true, testnet, home, ..Global::default() };
    let context = Context::new(&global)?;
    // The command line takes a key file, too: nothing here may name a file of this machine.
    if context.testnet().is_none_or(|file| file.account(&payment.from).is_none()) {
        let shown: String = payment.from.chars().take(80).collect();
        let what = format!("this testnet has no account {shown:?}; nothing was sent");
        return Err(Failure::new(NOT_FOUND, what).help("GET /testnet/state lists the accounts"));
    }
    let sending = SendingArgs {
        memo: payment.memo,
        wait: Until::Final,
        dry_run: false,
        sign_only: None,
        receipt: None,
    };
    let args = TransferArgs {
        from: payment.from,
        to: payment.to,
        amount: Some(payment.amount),
        count: None,
        asset: Some(ASSET.into()),
        token: Vec::new(),
        sending,
    };
    context.block_on(async {
        tokio::select! {
            sent = transfer(&context, &args) => sent.map(|answer| answer.document),
            // What was sent is in the wallet.
            () = stopped(stopping) => Err(ended().help("quorate tx list")),
        }
    })
}
