//! Tips: where every token stands, as far as this validator has applied Commit certificates.
//!
//! Nothing is ever rolled back: [`Tips::apply`] is the only writer after genesis and replay, and it
//! is called for certified transfers only (R7).

mod accounts;
mod owned;

use crate::verdict::{Cause, Refusal, Verdict};
use ledger::hash::Digest;
use ledger::{
    Address, AssetDefinition, AssetId, Input, Made, Network, NetworkId, Output, Rules, TokenId,
    TokenState, Transfer, TransferId,
};
use owned::Owned;
pub use owned::Sum;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// The newest state of one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Transfers into the token's life.
    pub height: u64,
    /// The transfer that made this state; zero for genesis.
    pub made_by: TransferId,
    /// The token's asset.
    pub asset: AssetId,
    /// Base units.
    pub amount: u64,
    /// Who owns it, or who owned it last.
    pub owner: Address,
    /// The transfer that consumed the token for good; `None` while it can be spent.
    pub ended_by: Option<TransferId>,
}

impl Tip {
    /// A token as a transfer has just made it.
    pub fn of(made: &Made) -> Self {
        Self {
            height: made.state.height,
            made_by: made.state.made_by,
            asset: made.asset,
            amount: made.amount,
            owner: made.owner,
            ended_by: None,
        }
    }

    /// The token state of this tip.
    pub fn state(&self, token: TokenId) -> TokenState {
        TokenState { token, height: self.height, made_by: self.made_by }
    }
}

/// What is known of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its definition.
    pub definition: AssetDefinition,
    /// Base units ever created by genesis and `Issue`.
    pub issued: u64,
    /// Sum of the unspent amounts. Equal to `issued` unless something is wrong.
    pub live: u64,
}

/// What one applied transfer changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The transfer.
    pub id: TransferId,
    /// The owner who signed it.
    pub owner: Address,
    /// What it spent.
    pub spent: Vec<Input>,
    /// What it made; `made[i]` is of output i.
    pub made: Vec<Made>,
}

/// Why a certified transfer can't be applied now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotApplied {
    /// It is applied already (R8).
    Already,
    /// These states' makers have to be applied first.
    Missing(Vec<TokenState>),
    /// Another transfer has spent an input (two certified transfers of one state), or the transfer
    /// breaks a rule that each honest validator checks before it votes (R2, R3). More than f
    /// validators are Byzantine, or there is a bug; the node stops voting and says so.
    Fork(TokenState),
}

/// Where every token stands.
#[derive(Clone, Debug)]
pub struct Tips {
    network: Arc<Network>,
    tokens: HashMap<TokenId, Tip>,
    assets: BTreeMap<AssetId, Asset>,
    owners: HashMap<Address, Owned>,
    applied: u64,
    digest: [u8; 32],
}

impl Tips {
    /// Nothing but the network's assets: for loading from an index with [`Tips::load`].
    pub fn empty(network: Arc<Network>) -> Self {
        let assets = network.assets.iter().map(|(id, definition)| {
            (*id, Asset { definition: definition.clone(), issued: 0, live: 0 })
        });
        Self {
            assets: assets.collect(),
            tokens: HashMap::new(),
            owners: HashMap::new(),
            applied: 0,
            digest: [0; 32],
            network,
        }
    }

    /// The genesis tokens.
    pub fn genesis(network: Arc<Network>) -> Self {
        let mut tips = Self::empty(network.clone());
        for made in network.tokens() {
            let asset = tips.assets.get_mut(&made.asset).expect("genesis tokens are of its assets");
            asset.issued += made.amount;
            tips.insert(&made);
        }
        tips
    }

    /// Puts one token where it stands, over where it stood. `live` and the owners' sets follow.
    pub fn load(&mut self, token: TokenId, tip: Tip) {
        if let Some(old) = self.tokens.get(&token).filter(|old| old.ended_by.is_none()).copied() {
            self.disown(&old.owner, &token, &old);
            if let Some(asset) = self.assets.get_mut(&old.asset) {
                asset.live -= old.amount;
            }
        }
        if tip.ended_by.is_none() {
            match self.owners.entry(tip.owner) {
                Entry::Occupied(mut owned) => owned.get_mut().insert(token, &tip, &self.tokens),
                Entry::Vacant(place) => drop(place.insert(Owned::One(token))),
            }
            if let Some(asset) = self.assets.get_mut(&tip.asset) {
                asset.live += tip.amount;
            }
        }
        self.tokens.insert(token, tip);
    }

    /// Puts one asset's definition and issued supply where an index says. Before the tokens.
    pub fn load_asset(&mut self, id: AssetId, definition: AssetDefinition, issued: u64) {
        let live = self.assets.get(&id).map_or(0, |asset| asset.live);
        self.assets.insert(id, Asset { definition, issued, live });
    }

    /// Restores the counters that an index kept.
    pub fn load_counters(&mut self, applied: u64, digest: [u8; 32]) {
        self.applied = applied;
        self.digest = digest;
    }

    /// Applies a certified transfer: all of it or nothing.
    ///
    /// # Errors
    /// [`NotApplied`]; then nothing has changed.
    pub fn apply(&mut self, id: TransferId, transfer: &Transfer) -> Result<Change, NotApplied> {
        self.can_apply(id, transfer)?;
        let made = transfer.made(id);
        for input in &transfer.inputs {
            let tip = self.tokens.get_mut(&input.state.token).expect("checked above");
            tip.ended_by = Some(id);
            let tip = *tip;
            self.disown(&transfer.owner, &input.state.token, &tip);
            self.assets.get_mut(&input.asset).expect("assets of tips are known").live -=
                input.amount;
        }
        for (output, made) in transfer.outputs.iter().zip(&made) {
            if let Output::Issue { definition, supply, .. } = output {
                let definition = definition.clone();
                self.assets.insert(made.asset, Asset { definition, issued: *supply, live: 0 });
            }
            self.insert(made);
        }
        self.applied += 1;
        for (sum, byte) in self.digest.iter_mut().zip(id.bytes()) {
            *sum ^= byte;
        }
        Ok(Change { id, owner: transfer.owner, spent: transfer.inputs.clone(), made })
    }

    fn disown(&mut self, owner: &Address, token: &TokenId, tip: &Tip) {
        let owned = self.owners.get_mut(owner).expect("a live token has an owner");
        if owned.remove(token, tip) {
            self.owners.remove(owner);
        }
    }

    fn insert(&mut self, made: &Made) {
        self.load(made.state.token, Tip::of(made));
    }

    fn can_apply(&self, id: TransferId, transfer: &Transfer) -> Result<(), NotApplied> {
        let mut missing = Vec::new();
        let mut spent = None;
        let mut current = 0;
        for input in &transfer.inputs {
            match self.place(&input.state) {
                Place::Current if self.misfit(transfer, input).is_some() => {
                    return Err(NotApplied::Fork(input.state));
                }
                Place::Current => current += 1,
                Place::Spent { .. } => spent = Some(input.state),
                Place::Ahead => missing.push(input.state),
                Place::Nowhere => return Err(NotApplied::Fork(input.state)),
            }
        }
        match spent {
            // All inputs are spent together or not at all: a mixture means another spender.
            Some(state) if current > 0 || !missing.is_empty() => Err(NotApplied::Fork(state)),
            Some(state) if self.is_spent_by_other(&state, id) => Err(NotApplied::Fork(state)),
            Some(_) => Err(NotApplied::Already),
            None if !missing.is_empty() => Err(NotApplied::Missing(missing)),
            None if transfer.check(self).is_err() => {
                let nowhere = TokenState {
                    token: TokenId::default(),
                    height: 0,
                    made_by: TransferId::default(),
                };
                let first = transfer.inputs.first().map(|input| input.state);
                Err(NotApplied::Fork(first.unwrap_or(nowhere)))
            }
            None => Ok(()),
        }
    }

    /// How an input whose state is current is not what its token's tip says (R2).
    fn misfit(&self, transfer: &Transfer, input: &Input) -> Option<Refusal> {
        let token = input.state.token;
        let tip = self.tokens.get(&token).expect("it is current");
        if tip.owner != transfer.owner {
            return Some(Refusal::NotOwner { token });
        }
        let is_same = tip.asset == input.asset && tip.amount == input.amount;
        (!is_same).then_some(Refusal::WrongValue { token })
    }

    /// Whether the tip itself tells that `state` was spent by another transfer than `id`. Deeper
    /// history is in the journal.
    fn is_spent_by_other(&self, state: &TokenState, id: TransferId) -> bool {
        matches!(self.place(state), Place::Spent { by: Some(by) } if by != id)
    }

    /// Where a token state stands here.
    pub fn place(&self, state: &TokenState) -> Place {
        let Some(tip) = self.tokens.get(&state.token) else {
            let is_genesis = state.made_by == TransferId::default();
            return if is_genesis { Place::Nowhere } else { Place::Ahead };
        };
        match tip.height.cmp(&state.height) {
            std::cmp::Ordering::Less if tip.ended_by.is_some() => Place::Nowhere,
            std::cmp::Ordering::Less => Place::Ahead,
            std::cmp::Ordering::Equal if tip.made_by != state.made_by => Place::Nowhere,
            std::cmp::Ordering::Equal => match tip.ended_by {
                None => Place::Current,
                by => Place::Spent { by },
            },
            std::cmp::Ordering::Greater => {
                let is_next = tip.height == state.height + 1;
                Place::Spent { by: is_next.then_some(tip.made_by) }
            }
        }
    }

    /// R2 for all inputs of a transfer: each is the current tip of its token, unspent, of the asset
    /// and amount given, owned by the signer.
    pub fn judge(&self, transfer: &Transfer) -> Verdict {
        let mut unknown = None;
        for input in &transfer.inputs {
            let state = input.state;
            match self.place(&state) {
                Place::Spent { by } => return Verdict::Invalid(Refusal::Spent { state, by }),
                Place::Nowhere => {
                    return Verdict::Invalid(Refusal::NoSuchToken { token: state.token });
                }
                Place::Ahead => unknown = Some(Cause::ParentMissing { state }),
                Place::Current => {
                    if let Some(refusal) = self.misfit(transfer, input) {
                        return Verdict::Invalid(refusal);
                    }
                }
            }
        }
        unknown.map_or(Verdict::Valid, Verdict::Unknown)
    }

    /// The tip of a token, spent or not.
    pub fn tip(&self, token: &TokenId) -> Option<&Tip> {
        self.tokens.get(token)
    }

    /// All assets, in order of their ids.
    pub fn assets(&self) -> impl Iterator<Item = (&AssetId, &Asset)> {
        self.assets.iter()
    }

    /// The assets with ids above `after`, in order.
    pub fn assets_after(&self, after: Option<AssetId>) -> impl Iterator<Item = (&AssetId, &Asset)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.assets.range((from, Bound::Unbounded))
    }

    /// One asset.
    pub fn asset(&self, id: &AssetId) -> Option<&Asset> {
        self.assets.get(id)
    }

    /// All tokens, in no order.
    pub fn tokens(&self) -> impl Iterator<Item = (&TokenId, &Tip)> {
        self.tokens.iter()
    }

    /// How many distinct transfers are applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// XOR of the ids of the applied transfers: equal at two validators that applied the same set.
    pub fn digest(&self) -> Digest {
        Digest(self.digest)
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }
}

/// Where a token state stands at this validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the tip and unspent.
    Current,
    /// It is spent; by whom, when the tip tells.
    Spent {
        /// The spender.
        by: Option<TransferId>,
    },
    /// Its maker is not applied here.
    Ahead,
    /// It is no state of any chain that this validator's tips allow.
    Nowhere,
}

impl Rules for Tips {
    fn network(&self) -> NetworkId {
        self.network.id
    }
    fn epoch(&self) -> u64 {
        self.network.epoch
    }
    fn is_reserved(&self, name: &str) -> bool {
        self.network.is_reserved(name)
    }
    fn is_indivisible(&self, asset: &AssetId) -> bool {
        self.assets.get(asset).is_some_and(|asset| asset.definition.is_indivisible())
    }
}

#[cfg(test)]
mod tests;
