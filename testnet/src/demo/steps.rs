//! The steps of the demo, in short, plain sentences.

use super::payment::{Paid, pay};
use crate::folder::Folder;
use crate::output::{Output, client_command};
use crate::plan::ASSET;
use crate::process::State;
use crate::registry::TestnetFile;
use ledger::{Address, Keypair, Network, TransferId};
use node::client::Client;
use node::error::{INTERNAL, KEY_FILE, VERIFICATION_FAILED};
use node::view::verify_bytes;
use node::{Failure, keyfile};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest time that a payment or a question may take.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Longest time for a killed process to end.
const KILL_TIME: Duration = Duration::from_secs(10);

/// What the steps work with.
pub struct Steps<'a> {
    file: &'a TestnetFile,
    network: Network,
    client: Client,
    output: Output,
}

impl<'a> Steps<'a> {
    /// Steps on a testnet that runs.
    ///
    /// # Errors
    /// The genesis can't be read.
    pub fn new(file: &'a TestnetFile, folder: &Folder, output: Output) -> Result<Self, Failure> {
        let client = Client::new(file.validators.iter().map(|v| v.api.as_str()), ANSWER_TIME)?;
        Ok(Self { file, network: folder.network()?, client, output })
    }

    /// All steps; the document sums them up.
    ///
    /// # Errors
    /// Something is not as the words say.
    pub async fn all(&mut self, started: Duration) -> Result<Value, Failure> {
        self.introduce(started)?;
        self.show_accounts().await?;
        let first = self.first_payment().await?;
        self.check_receipt(first).await?;
        let second = self.lose_a_validator().await?;
        self.check_supply().await?;
        Ok(json!({
            "schema": "quorate.demo/1",
            "ok": true,
            "network": self.network.id.to_string(),
            "transfers": [first.to_string(), second.to_string()],
        }))
    }

    fn introduce(&self, started: Duration) -> Result<(), Failure> {
        let (count, quorum) = (self.file.validators.len(), self.file.quorum);
        self.output.say(&format!(
            "1. The network\n   \
             {count} validators run on this machine, each a process of its own: {}.\n   \
             The genesis file says who may vote and who owns the first tokens.\n   \
             A payment is final when {quorum} of the {count} have voted for it, twice.\n   \
             All were ready after {} ms.\n",
            list(self.file.validators.iter().map(|v| v.name.as_str())),
            started.as_millis()
        ))
    }

    async fn show_accounts(&self) -> Result<(), Failure> {
        let (_, address) = self.account("alice")?;
        let (amount, tokens) = self.balance("alice").await?;
        self.output.say(&format!(
            "2. Alice\n   \
             Alice's address is her public key: {address}\n   \
             She owns {amount} {ASSET}: {tokens} tokens of 1 {ASSET} each. Nobody can spend them \
             without her key.\n"
        ))
    }

    async fn first_payment(&self) -> Result<TransferId, Failure> {
        let before = (self.balance("alice").await?.0, self.balance("bob").await?.0);
        let paid = self.pay("alice", "bob", "12.5").await?;
        let after = (self.balance("alice").await?.0, self.balance("bob").await?.0);
        self.output.say(&format!(
            "3. Alice pays Bob 12.5 {ASSET}\n   \
             She signs one transfer: it spends {} of her tokens and makes {} new ones, \
             Bob's and her change.\n   \
             transfer  {}\n   \
             locked    by {}: none of them will vote for anything else that spends \
             these tokens\n   \
             committed by {}: from here on nobody can undo it\n   \
             timing    {}\n   \
             It is final after {} ms.\n   \
             alice     {} -> {} {ASSET}\n   \
             bob       {} -> {} {ASSET}\n",
            paid.inputs,
            paid.outputs,
            paid.id,
            list(paid.lock.iter().map(String::as_str)),
            list(paid.commit.iter().map(String::as_str)),
            timing(&paid),
            ms(paid.stages.total),
            before.0,
            after.0,
            before.1,
            after.1
        ))?;
        expect((after.0.as_str(), after.1.as_str()) == ("987.5", "1012.5"), "the balances")?;
        Ok(paid.id)
    }

    async fn check_receipt(&self, id: TransferId) -> Result<(), Failure> {
        let bytes = self.client.receipt(id).await?;
        let verified = verify_bytes(&bytes, &self.network)?;
        expect(verified.id() == id, "the receipt")?;
        let votes = verified.receipt().certificate.votes().len();
        self.output.say(&format!(
            "4. The receipt\n   \
             Bob keeps {} bytes that prove the payment: Alice's signature and {votes} validators' \
             votes.\n   \
             Checked with nothing but the genesis file, without asking any node: it holds.\n",
            bytes.len()
        ))
    }

    async fn lose_a_validator(&self) -> Result<TransferId, Failure> {
        let lost = self.file.validators.last().expect("seven validators");
        lost.process.signal(Signal::KILL)?;
        let is_gone = lost.process.wait_for(|state| state == State::Gone, KILL_TIME).await;
        expect(is_gone, "the kill")?;
        let paid = self.pay("bob", "carol", "2").await?;
        let (amount, _) = self.balance("carol").await?;
        self.output.say(&format!(
            "5. A validator dies\n   \
             {} is killed at once, as if its machine had lost power. Bob pays Carol 2 {ASSET}.\n   \
             committed by {}, final after {} ms: the others are enough.\n   \
             carol     now has {amount} {ASSET}\n",
            lost.name,
            list(paid.commit.iter().map(String::as_str)),
            ms(paid.stages.total)
        ))?;
        expect(amount == "1002", "Carol's balance")?;
        Ok(paid.id)
    }

    async fn check_supply(&self) -> Result<(), Failure> {
        let supply = self.client.supply().await?.supply;
        let row = supply.iter().find(|row| row.asset == ASSET);
        let row = row.ok_or_else(|| broken("the supply"))?;
        expect(row.issued == "10000" && row.live == "10000", "the supply")?;
        self.output.say(&format!(
            "6. The books\n   \
             Genesis made {} {ASSET}, and {} {ASSET} are there now. Nothing was lost or made.\n",
            row.issued, row.live
        ))
    }

    /// What to do while the network stays up.
    pub fn invitation(&self, panel: &str) -> String {
        let quorate = client_command();
        format!(
            "The network stays up until you press Ctrl-C.\n   \
             explorer  {}/\n   \
             panel     {panel}/   the same, with buttons that kill and forms that pay\n   \
             Try, in another terminal:\n   \
             {quorate} balance alice\n   \
             {quorate} transfer alice bob 1.25\n   \
             {quorate} status\n",
            self.file.validators[0].api.trim_end_matches('/')
        )
    }

    async fn pay(&self, from: &str, to: &str, amount: &str) -> Result<Paid, Failure> {
        let (key, _) = self.account(from)?;
        let (_, receiver) = self.account(to)?;
        pay(&self.client, &self.network, &key, (receiver, amount)).await
    }

    fn account(&self, name: &str) -> Result<(Keypair, Address), Failure> {
        let account = self.file.accounts.iter().find(|account| account.name == name);
        let account = account
            .ok_or_else(|| Failure::new(KEY_FILE, format!("there is no account {name:?}")))?;
        let key = keyfile::load(&account.key)?;
        let address = keyfile::address_of(&key);
        Ok((key, address))
    }

    /// Amount and number of tokens.
    async fn balance(&self, name: &str) -> Result<(String, u64), Failure> {
        let (_, address) = self.account(name)?;
        let account = self.client.account(address).await?;
        let row = account.balances.into_iter().find(|row| row.asset == ASSET);
        Ok(row.map_or_else(|| ("0".into(), 0), |row| (row.amount, row.tokens)))
    }
}

fn expect(is_so: bool, what: &str) -> Result<(), Failure> {
    if is_so { Ok(()) } else { Err(broken(what)) }
}

/// What the demo says would not be true.
fn broken(what: &str) -> Failure {
    let code = if what == "the receipt" { VERIFICATION_FAILED } else { INTERNAL };
    Failure::new(code, format!("{what} is not what it should be; the demo was stopped"))
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<&str>>().join(" ")
}

/// Microseconds as milliseconds.
fn ms(us: u64) -> String {
    format!("{}.{:02}", us / 1_000, us % 1_000 / 10)
}

fn timing(paid: &Paid) -> String {
    let stages = &paid.stages;
    format!(
        "check {} · wait for a batch {} · send {} · lock votes {} · commit votes {} ms",
        ms(stages.admit),
        ms(stages.batch_wait),
        ms(stages.propose),
        ms(stages.lock),
        ms(stages.commit)
    )
}
