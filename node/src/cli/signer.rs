//! From what the sender wants to signed bytes: tokens that nobody else of this wallet has been
//! promised, a transfer that keeps the rules, stored before anything is sent.

use super::args::SendingArgs;
use super::asset::Asset;
use super::context::{Context, NetworkFacts};
use super::shortage::{self, Shortage};
use super::tracker::Tracker;
use crate::client::Client;
use crate::error::{Failure, refused_transfer, rejection};
use crate::keyfile;
use crate::view::TokenRow;
use crate::wallet::{Chosen, Progress, Promises, Record, Wallet, Wanted, choose};
use consensus::Refusal;
use ledger::{
    Address, AssetId, Input, Keypair, NetworkId, Output, Rules, SignedTransfer, Transfer,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often tokens are looked for again while transfers that hold them are under way.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Who signs, for which network, with which wallet.
pub struct Signer<'a> {
    /// Flags and names.
    pub context: &'a Context,
    /// The nodes.
    pub client: &'a Client,
    /// The network.
    pub network: &'a NetworkFacts,
    /// Where signed bytes are kept.
    pub wallet: &'a Wallet,
    /// The sender's key.
    pub keypair: &'a Keypair,
}

/// A transfer before it is signed, and its summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The transfer.
    pub transfer: Transfer,
    /// Who gets it.
    pub to: Address,
    /// Name or id of the asset.
    pub asset: String,
    /// Decimal text.
    pub amount: String,
}

/// What to look for among the owner's tokens.
#[derive(Clone, Debug)]
pub struct Need {
    /// The asset; of named tokens that of the first.
    pub asset: Asset,
    /// How much or which.
    pub wanted: Wanted,
    /// Whether promises to other transfers are looked past: `--sign-only` with named tokens.
    pub is_free_of_promises: bool,
}

impl<'a> Signer<'a> {
    /// The sender's address.
    pub fn owner(&self) -> Address {
        keyfile::address_of(self.keypair)
    }

    /// Chooses tokens and returns the list of promises still held, so that the choice stays true
    /// until it is noted there. Waits, up to the timeout, for transfers under way whose tokens are
    /// needed; nodes are asked only while the list is not held.
    ///
    /// # Errors
    /// `insufficient_funds`, `token_locked`, `not_owner`, and what nodes and wallet say.
    pub async fn choose(&self, need: &Need) -> Result<(Promises<'a>, Chosen), Failure> {
        let deadline = self.context.deadline();
        let mut pace = tokio::time::interval(LOOK_AGAIN);
        loop {
            let rows = self.rows(need).await?;
            let promises = self.wallet.promises()?;
            let shortage = match self.choose_now(need, &rows, &promises) {
                Ok(chosen) => return Ok((promises, chosen)),
                Err(shortage) => shortage,
            };
            let open = promises.open().to_vec();
            drop(promises);
            let may_wait = shortage.may_end && tokio::time::Instant::now() < deadline;
            if !may_wait {
                return Err(shortage.failure);
            }
            let released = Tracker { wallet: self.wallet };
            let is_hopeful = released.reconcile(self.context, &open).await?;
            if !is_hopeful {
                return Err(shortage.failure);
            }
            pace.tick().await;
        }
    }

    fn choose_now(
        &self,
        need: &Need,
        rows: &[TokenRow],
        promises: &Promises<'_>,
    ) -> Result<Chosen, Shortage> {
        let name = self.context.name_of(&self.owner());
        let short = |error, inputs: &[Input]| {
            shortage::of(&name, need, error, shortage::Holdings::of(rows, inputs, promises))
        };
        if matches!(need.wanted, Wanted::Whole(_) | Wanted::From(..)) {
            let inputs: Vec<Input> = rows.iter().map(TokenRow::input).collect();
            let chosen = choose(&inputs, &need.wanted).map_err(|error| short(error, &inputs))?;
            let held = chosen.inputs.iter().find_map(|input| {
                promises.holder_of(&input.state.token).map(|held_by| (input.state.token, held_by))
            });
            return match held {
                Some((token, held_by)) if !need.is_free_of_promises => {
                    Err(shortage::promised(token, held_by))
                }
                _ => Ok(chosen),
            };
        }
        let free = rows.iter().filter(|row| row.locked_by.is_none()).map(TokenRow::input);
        let free: Vec<Input> = free.filter(|input| promises.is_free(input)).collect();
        choose(&free, &need.wanted).map_err(|error| short(error, &free))
    }

    /// The owner's tokens of the asset, or the named ones.
    async fn rows(&self, need: &Need) -> Result<Vec<TokenRow>, Failure> {
        let (Wanted::Whole(ids) | Wanted::From(ids, _)) = &need.wanted else {
            let rows = self.client.tokens(self.owner()).await?.tokens;
            return Ok(rows.into_iter().filter(|row| row.asset_id == need.asset.id).collect());
        };
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            let found = self.client.token(*id).await?;
            let refusal = match found.ended_by {
                Some(by) => Some(Refusal::Spent { state: found.token.input().state, by: Some(by) }),
                None if found.owner != self.owner() => Some(Refusal::NotOwner { token: *id }),
                None => None,
            };
            if let Some(refusal) = refusal {
                let what = format!("{refusal}; nothing was signed or sent");
                let owner = self.context.name_of(&self.owner());
                return Err(Failure::new(rejection(&refusal), what)
                    .help(format!("quorate tokens {owner}"))
                    .details(serde_json::json!({"token": id})));
            }
            rows.push(found.token);
        }
        Ok(rows)
    }

    /// The transfer of these inputs and outputs, held against the rules that need no store.
    ///
    /// # Errors
    /// The rule's own code, exit 5.
    pub fn transfer(
        &self,
        inputs: Vec<Input>,
        outputs: Vec<Output>,
        memo: &str,
    ) -> Result<Transfer, Failure> {
        let (network, epoch, owner) = (self.network.id, self.network.epoch, self.owner());
        let transfer = Transfer { network, epoch, owner, inputs, outputs, memo: memo.into() };
        transfer.check(self.network).map_err(|error| {
            Failure::new(refused_transfer(&error), format!("{error}; nothing was signed or sent"))
                .help("change the command line as the message says")
        })?;
        Ok(transfer)
    }

    /// Signs a draft, stores it durably and notes whom its tokens are promised to.
    ///
    /// # Errors
    /// What the wallet says.
    pub fn sign(
        &self,
        draft: &Draft,
        promises: &mut Promises<'_>,
        sending: &SendingArgs,
        is_promised: bool,
    ) -> Result<SignedTransfer, Failure> {
        let signed = draft.transfer.clone().sign(self.keypair);
        let id = signed.transfer.id();
        let is_sent = sending.sign_only.is_none();
        let status = if is_sent { Progress::Submitted } else { Progress::Signed };
        if !is_promised {
            return Ok(signed);
        }
        self.wallet.store(&signed, &record(&signed, draft, status))?;
        let promised = promises.promise(id, &signed, status)?;
        promised.map_err(|held| shortage::promised(held.token, held.held_by).failure)?;
        Ok(signed)
    }
}

/// What the wallet remembers of a draft once it is signed.
fn record(signed: &SignedTransfer, draft: &Draft, status: Progress) -> Record {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Record {
        id: signed.transfer.id(),
        status,
        from: signed.transfer.owner,
        to: Some(draft.to),
        asset: draft.asset.clone(),
        amount: draft.amount.clone(),
        tokens_spent: signed.transfer.inputs.len(),
        memo: signed.transfer.memo.clone(),
        signed_s: since.map_or(0, |since| since.as_secs()),
    }
}

/// As far as a client can tell; the validators know issued items, too.
impl Rules for NetworkFacts {
    fn network(&self) -> NetworkId {
        self.id
    }
    fn epoch(&self) -> u64 {
        self.epoch
    }
    fn is_reserved(&self, name: &str) -> bool {
        self.assets.iter().any(|(_, known, _)| known == name)
    }
    fn is_indivisible(&self, _: &AssetId) -> bool {
        false
    }
}
