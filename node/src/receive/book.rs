//! What the hosted addresses own, and where each receipt is kept. Readers of balances see a batch
//! whole or not at all: what moves in one batch moves under one lock, held for a few µs a token.

use super::heads::Heads;
use crate::journal::Location;
use ledger::{Address, AssetId, TokenId, TokenState, TransferId};
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Receipts that a wallet keeps, 90 bytes of memory each; once there are so many, nothing more is
/// received (the last batch may go 4,095 beyond).
pub const RECEIPTS_KEPT_MAX: usize = 8_000_000;

/// A token that a hosted address can spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its newest state.
    pub state: TokenState,
    /// Its asset.
    pub asset: AssetId,
    /// Its amount in base units.
    pub amount: u64,
}

/// Where a receipt is: its record, and its index in it.
pub type ReceiptPlace = (Location, u32);

#[derive(Default)]
struct Owned {
    by_owner: BTreeMap<Address, BTreeMap<TokenId, Held>>,
    owner_of: HashMap<TokenId, Address>,
    /// The lowest height at which a token may live, where a receipt has proven that the head known
    /// here is spent. At most one for each token tracked.
    overtaken: BTreeMap<TokenId, u64>,
}

#[derive(Default)]
struct Places {
    /// Of receipts that were received.
    received: HashMap<TransferId, ReceiptPlace>,
    /// Of receipts in the journal that have changed nothing since the start: they are shown, and
    /// received when they come again.
    idle: HashMap<TransferId, ReceiptPlace>,
}

/// Owners and receipts.
pub struct Book {
    owned: RwLock<Owned>,
    places: RwLock<Places>,
    receipts_max: usize,
}

impl Book {
    /// An empty book for at most `receipts_max` receipts.
    pub fn new(receipts_max: usize) -> Self {
        Self { owned: RwLock::default(), places: RwLock::default(), receipts_max }
    }

    /// Takes over where the heads of these tokens stand now. Movers come here after they moved a
    /// head, in any order: each looks at the head itself, so the last one writes what is newest.
    pub fn refresh(&self, tokens: &[TokenId], heads: &Heads, hosted: &BTreeSet<Address>) {
        let mut owned = self.owned.write();
        for token in tokens {
            let Some(chain) = heads.chain(token) else { continue };
            if let Some(before) = owned.owner_of.remove(token)
                && let Some(tokens) = owned.by_owner.get_mut(&before)
            {
                tokens.remove(token);
            }
            // A token that has ended reaches no higher state.
            let reached = chain.top() + u64::from(chain.live_owner().is_none());
            if owned.overtaken.get(token).is_some_and(|lowest| reached >= *lowest) {
                owned.overtaken.remove(token);
            }
            if owned.overtaken.contains_key(token) {
                continue;
            }
            let Some(owner) = chain.live_owner().filter(|owner| hosted.contains(owner)) else {
                continue;
            };
            let (state, _) = chain.head(*token);
            let held = Held { state, asset: chain.asset, amount: chain.amount };
            owned.by_owner.entry(*owner).or_default().insert(*token, held);
            owned.owner_of.insert(*token, *owner);
        }
    }

    /// Takes tokens out of what is owned until their head is at this height or above: a receipt has
    /// proven that all below is spent, and does not join on.
    pub fn overtake(&self, lowest: &[(TokenId, u64)], heads: &Heads, hosted: &BTreeSet<Address>) {
        let mut owned = self.owned.write();
        for (token, lowest) in lowest {
            let known = owned.overtaken.entry(*token).or_default();
            *known = (*known).max(*lowest);
        }
        drop(owned);
        let tokens: Vec<TokenId> = lowest.iter().map(|(token, _)| *token).collect();
        self.refresh(&tokens, heads, hosted);
    }

    /// Whether a hosted address can spend this token, as far as is known here.
    pub fn is_owned(&self, token: &TokenId) -> bool {
        self.owned.read().owner_of.contains_key(token)
    }

    /// How many tokens have moved on to where it is not known, and the first of them.
    pub fn overtaken_count(&self) -> Option<(usize, TokenId)> {
        let owned = self.owned.read();
        owned.overtaken.keys().next().map(|first| (owned.overtaken.len(), *first))
    }

    /// The tokens that have moved on to where it is not known, ascending.
    pub fn overtaken(&self) -> Vec<TokenId> {
        self.owned.read().overtaken.keys().copied().collect()
    }

    /// The tokens of an address with ids above `after`, ascending, at most `count`.
    pub fn tokens(&self, owner: &Address, after: Option<TokenId>, count: usize) -> Vec<Held> {
        use std::ops::Bound::{Excluded, Unbounded};
        let owned = self.owned.read();
        let from = after.map_or(Unbounded, Excluded);
        let tokens = owned.by_owner.get(owner).map(|tokens| tokens.range((from, Unbounded)));
        tokens.into_iter().flatten().take(count).map(|(_, held)| *held).collect()
    }

    /// Sum and number of an address' tokens by asset, all of one moment.
    pub fn balances(&self, owner: &Address) -> BTreeMap<AssetId, (u64, u64)> {
        let owned = self.owned.read();
        let mut sums: BTreeMap<AssetId, (u64, u64)> = BTreeMap::new();
        for held in owned.by_owner.get(owner).into_iter().flat_map(BTreeMap::values) {
            let sum = sums.entry(held.asset).or_default();
            // Below the asset's supply, which 64 bits hold, unless validators have lied.
            *sum = (sum.0.saturating_add(held.amount), sum.1 + 1);
        }
        sums
    }

    /// Tokens that hosted addresses can spend.
    pub fn live_count(&self) -> usize {
        self.owned.read().owner_of.len()
    }

    /// Every live token with its owner, ascending by owner and token.
    pub fn all(&self) -> Vec<(Address, Held)> {
        let owned = self.owned.read();
        let of = |(owner, tokens): (&Address, &BTreeMap<TokenId, Held>)| {
            let owner = *owner;
            tokens.values().map(move |held| (owner, *held)).collect::<Vec<_>>()
        };
        owned.by_owner.iter().flat_map(of).collect()
    }

    /// Where a receipt is kept.
    pub fn place(&self, id: &TransferId) -> Option<ReceiptPlace> {
        let places = self.places.read();
        places.received.get(id).or_else(|| places.idle.get(id)).copied()
    }

    /// Whether a receipt was received.
    pub fn has(&self, id: &TransferId) -> bool {
        self.places.read().received.contains_key(id)
    }

    /// Whether `count` more receipts have room.
    pub fn has_room(&self, count: usize) -> bool {
        self.receipt_count() + count <= self.receipts_max
    }

    /// Notes where receipts that were received are kept; the first place of each stays.
    pub fn keep(&self, places: impl IntoIterator<Item = (TransferId, ReceiptPlace)>) {
        let mut kept = self.places.write();
        for (id, place) in places {
            let place = kept.idle.remove(&id).unwrap_or(place);
            kept.received.entry(id).or_insert(place);
        }
    }

    /// Notes where receipts of the journal are kept that have changed nothing.
    pub fn keep_idle(&self, places: impl IntoIterator<Item = (TransferId, ReceiptPlace)>) {
        let mut kept = self.places.write();
        for (id, place) in places {
            if !kept.received.contains_key(&id) {
                kept.idle.entry(id).or_insert(place);
            }
        }
    }

    /// Receipts kept.
    pub fn receipt_count(&self) -> usize {
        let places = self.places.read();
        places.received.len() + places.idle.len()
    }
}
