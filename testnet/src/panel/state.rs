//! `GET /testnet/state`: what the testnet's buttons and forms show: which validators run, which
//! faults are in force, what the accounts have.

use super::Desk;
use super::upstream::Upstreams;
use crate::faults::switch;
use crate::plan::{ASSET, ASSET_DECIMALS};
use crate::registry::{Account, TestnetFile};
use ledger::parse_amount;
use node::error::CONFIG;
use node::{Client, Failure};
use serde_json::{Value, json};
use std::time::Duration;

/// Accounts that are shown, and among which the faucet looks for the richest: the first ones. Each
/// is a question to a validator.
pub(super) const ACCOUNTS_MAX: usize = 20;
/// Longest wait for balances.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// What an account has of the testnet's own asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Balance {
    /// Its name.
    pub(super) name: String,
    /// Its address.
    pub(super) address: String,
    /// Decimal text.
    pub(super) amount: String,
    /// The same in base units.
    pub(super) units: u64,
}

/// The document `quorate.testnet-state/1`. Balances are null when no validator tells them.
///
/// # Errors
/// The testnet's description or its faults can't be read.
pub(super) async fn state(desk: &Desk) -> Result<Value, Failure> {
    let file = desk.upstreams.file()?;
    let faults = switch::in_force(&desk.folder, &file)?.filter(|faults| !faults.is_none());
    let validators: Vec<Value> = file
        .validators
        .iter()
        .map(|validator| {
            let state = validator.process.state();
            let faults = faults.as_ref();
            let slow = faults.and_then(|faults| faults.slow.get(&validator.name));
            json!({
                "name": validator.name,
                "state": state.word(),
                "api": validator.api,
                "pid": validator.process.pid,
                "slow_ms": slow.map(|slow| slow.delay_ms),
            })
        })
        .collect();
    let balances = balances(&desk.upstreams, &file).await.ok();
    let row = |(index, account): (usize, &Account)| {
        let balance = balances.as_ref().and_then(|balances| balances.get(index));
        let balance = balance.map(|balance| &balance.amount);
        json!({"name": account.name, "address": account.address, "balance": balance})
    };
    let accounts: Vec<Value> =
        file.accounts.iter().take(ACCOUNTS_MAX).enumerate().map(row).collect();
    Ok(json!({
        "schema": "quorate.testnet-state/1",
        "ok": true,
        "name": file.name,
        "network": file.network,
        "dir": file.dir,
        "quorum": file.quorum,
        "asset": ASSET,
        "validators": validators,
        "faults": faults.as_ref().map(switch::faults_value),
        "accounts": accounts,
    }))
}

/// What the first accounts have, as one validator says; in their order.
///
/// # Errors
/// None answers.
pub(super) async fn balances(
    upstreams: &Upstreams,
    file: &TestnetFile,
) -> Result<Vec<Balance>, Failure> {
    let validator = upstreams.choose(&[]).await?;
    let client = Client::new([&validator.api], ANSWER_TIME)?;
    let mut balances = Vec::new();
    for account in file.accounts.iter().take(ACCOUNTS_MAX) {
        let address = account.address.parse().map_err(|_| {
            let what = format!("testnet.json: {:?} is no address", account.address);
            Failure::new(CONFIG, what)
        })?;
        let found = client.account(address).await?.balances;
        let amount = found.into_iter().find(|row| row.asset == ASSET);
        let amount = amount.map_or_else(|| "0".into(), |row| row.amount);
        // Zero has no units that could be sent.
        let units = parse_amount(&amount, ASSET_DECIMALS).unwrap_or_default();
        let (name, address) = (account.name.clone(), account.address.clone());
        balances.push(Balance { name, address, amount, units });
    }
    Ok(balances)
}
