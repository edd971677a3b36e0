//! What the wallet knows of one token's chain, and how a transfer fits onto it. Pure: it decides,
//! and changes nothing outside.
//!
//! A chain is a run of states without a hole. Each link is a state that a verified receipt spent or
//! made; the lowest may be known only as something that was spent. Nothing is ever guessed: what
//! does not join on is a gap, and two spenders of one state are a fork.

use ledger::{Address, AssetId, Made, TokenId, TokenState, TransferId};
use std::collections::VecDeque;

/// Links kept in memory a token, about 130 bytes each; the oldest go, and what they were counts as
/// old from then on (their receipts stay in the journal).
pub const LINKS_MAX: usize = 256;

/// One state of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The transfer that made it; zero for a genesis token.
    pub made_by: TransferId,
    /// Whose it was.
    pub owner: Address,
    /// The transfer that spent it; `None` only for the last link, of a token that lives as far as
    /// is known here.
    pub spent_by: Option<TransferId>,
}

/// What is known of a token's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The token's asset.
    pub asset: AssetId,
    /// Its amount in base units.
    pub amount: u64,
    /// Height of the lowest link.
    first: u64,
    /// Ascending, at least one.
    links: VecDeque<Link>,
}

/// What one transfer does to one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The token.
    pub token: TokenId,
    /// Its asset.
    pub asset: AssetId,
    /// Its amount.
    pub amount: u64,
    /// The transfer.
    pub by: TransferId,
    /// The state that it spends and whose that was; `None` when it creates the token.
    pub spends: Option<(TokenState, Address)>,
    /// The owner in the state that it makes; `None` when the token ends.
    pub makes: Option<Address>,
}

/// How a transfer fits onto a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It adds something: the chain with it.
    New(Chain),
    /// It is in the chain.
    Known,
    /// It lies below what is known: it changes nothing.
    Old,
    /// Receipts that have to be seen first.
    Gap(Vec<TransferId>),
    /// Another transfer has spent the same state.
    Fork {
        /// The state.
        state: TokenState,
        /// Its spender as known here.
        other: TransferId,
    },
}

impl Chain {
    /// A token as it was made, unspent.
    pub fn of(made: &Made) -> Self {
        let link = Link { made_by: made.state.made_by, owner: made.owner, spent_by: None };
        Self {
            asset: made.asset,
            amount: made.amount,
            first: made.state.height,
            links: VecDeque::from([link]),
        }
    }

    /// The newest state, its owner, and the transfer that ended the token if one did.
    pub fn head(&self, token: TokenId) -> (TokenState, &Link) {
        let last = self.links.back().expect("a chain has a link");
        let state = TokenState { token, height: self.top(), made_by: last.made_by };
        (state, last)
    }

    /// Whose it is, while it can be spent.
    pub fn live_owner(&self) -> Option<&Address> {
        let last = self.links.back().expect("a chain has a link");
        last.spent_by.is_none().then_some(&last.owner)
    }

    /// Height of the newest state.
    pub fn top(&self) -> u64 {
        self.first + u64::try_from(self.links.len()).expect("few") - 1
    }

    fn link(&self, height: u64) -> Option<&Link> {
        let index = usize::try_from(height.checked_sub(self.first)?).ok()?;
        self.links.get(index)
    }

    /// The chain with what `touch` adds above its top, or as a chain of its own.
    fn grown(chain: Option<&Chain>, touch: &Touch) -> Chain {
        let made = |owner: Address| Link { made_by: touch.by, owner, spent_by: None };
        let mut grown = match (chain, touch.spends) {
            (Some(chain), _) => {
                let mut grown = chain.clone();
                let last = grown.links.back_mut().expect("a chain has a link");
                last.spent_by = Some(touch.by);
                grown
            }
            (None, Some((state, owner))) => {
                let spent = Link { made_by: state.made_by, owner, spent_by: Some(touch.by) };
                let (asset, amount) = (touch.asset, touch.amount);
                Chain { asset, amount, first: state.height, links: VecDeque::from([spent]) }
            }
            (None, None) => {
                Chain { asset: touch.asset, amount: touch.amount, first: 0, links: VecDeque::new() }
            }
        };
        grown.links.extend(touch.makes.map(made));
        while grown.links.len() > LINKS_MAX {
            grown.links.pop_front();
            grown.first += 1;
        }
        grown
    }

    /// The chain with what `touch` spent below its lowest link; a full chain stays as it is.
    fn lengthened(&self, state: &TokenState, owner: Address, by: TransferId) -> Chain {
        let mut longer = self.clone();
        if longer.links.len() < LINKS_MAX {
            longer.first -= 1;
            let made_by = state.made_by;
            longer.links.push_front(Link { made_by, owner, spent_by: Some(by) });
        }
        longer
    }
}

/// How `touch` fits onto what is known of its token.
pub fn fit(chain: Option<&Chain>, touch: &Touch) -> Fit {
    let Some(known) = chain else { return Fit::New(Chain::grown(None, touch)) };
    let Some((state, owner)) = touch.spends else {
        // A created token's id is a hash of the transfer: no other can have made it.
        let is_there = known.link(0).is_some_and(|link| link.made_by == touch.by);
        return if is_there { Fit::Known } else { Fit::Old };
    };
    if let Some(link) = known.link(state.height) {
        if link.made_by != state.made_by {
            // Two makers of one height: with the receipts of both, the state that both spent shows.
            return Fit::Gap(vec![link.made_by, state.made_by]);
        }
        return match link.spent_by {
            None => Fit::New(Chain::grown(chain, touch)),
            Some(by) if by == touch.by => Fit::Known,
            Some(other) => Fit::Fork { state, other },
        };
    }
    if state.height > known.top() {
        return Fit::Gap(vec![state.made_by]);
    }
    if state.height + 1 < known.first {
        return Fit::Old;
    }
    let lowest = known.links.front().expect("a chain has a link");
    if touch.makes.is_some() && lowest.made_by == touch.by {
        return Fit::New(known.lengthened(&state, owner, touch.by));
    }
    Fit::Gap(vec![lowest.made_by])
}

#[cfg(test)]
mod tests;
