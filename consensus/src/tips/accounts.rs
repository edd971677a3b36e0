//! What owners have.

use super::{Sum, Tip, Tips};
use ledger::{Address, AssetId, TokenId};
use std::ops::Bound;

impl Tips {
    /// The live tokens of an owner, in order of their ids.
    pub fn tokens_of(&self, owner: &Address) -> impl Iterator<Item = (TokenId, &Tip)> + '_ {
        self.tokens_from(owner, Bound::Unbounded)
    }

    /// The live tokens of an owner with ids above `after`, in order.
    pub fn tokens_after(
        &self,
        owner: &Address,
        after: TokenId,
    ) -> impl Iterator<Item = (TokenId, &Tip)> + '_ {
        self.tokens_from(owner, Bound::Excluded(after))
    }

    fn tokens_from(
        &self,
        owner: &Address,
        from: Bound<TokenId>,
    ) -> impl Iterator<Item = (TokenId, &Tip)> + '_ {
        let tokens = self.owners.get(owner).into_iter().flat_map(move |owned| owned.from(from));
        tokens.map(|token| (*token, self.tokens.get(token).expect("owners name known tokens")))
    }

    /// What an owner's live tokens come to, an item an asset, in order of the assets' ids.
    pub fn balances(&self, owner: &Address) -> Vec<(AssetId, Sum)> {
        self.balances_after(owner, None, usize::MAX)
    }

    /// The same of assets with ids above `after`, at most `count`.
    pub fn balances_after(
        &self,
        owner: &Address,
        after: Option<AssetId>,
        count: usize,
    ) -> Vec<(AssetId, Sum)> {
        let owned = self.owners.get(owner);
        owned.map(|owned| owned.sums(&self.tokens, after, count)).unwrap_or_default()
    }
}
