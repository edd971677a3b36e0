//! The live tokens of one owner. Most owners have one: a set of its own for each took 450 bytes of
//! memory a token, this takes 108 (10^6 tokens of as many owners).

use super::Tip;
use ledger::{AssetId, TokenId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

/// What tokens of one asset come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Base units.
    pub units: u64,
    /// How many tokens.
    pub tokens: u64,
}

/// At least one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owned {
    One(TokenId),
    Many(Box<Many>),
}

/// At least two tokens, and what they come to, so that a balance costs no look at each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Many {
    tokens: BTreeSet<TokenId>,
    sums: BTreeMap<AssetId, Sum>,
}

impl Many {
    fn insert(&mut self, token: TokenId, tip: &Tip) {
        if self.tokens.insert(token) {
            let sum = self.sums.entry(tip.asset).or_default();
            // Live tokens are a part of the asset's supply, which 64 bits hold.
            sum.units += tip.amount;
            sum.tokens += 1;
        }
    }

    fn remove(&mut self, token: &TokenId, tip: &Tip) {
        assert!(self.tokens.remove(token), "owners name their live tokens");
        let sum = self.sums.get_mut(&tip.asset).expect("it is among them");
        sum.units -= tip.amount;
        sum.tokens -= 1;
        if sum.tokens == 0 {
            self.sums.remove(&tip.asset);
        }
    }
}

fn tip<'a>(tips: &'a HashMap<TokenId, Tip>, token: &TokenId) -> &'a Tip {
    tips.get(token).expect("owners name known tokens")
}

impl Owned {
    /// Adds a token that stands at `tip`; one that is there already changes nothing. `tips` has the
    /// others'.
    pub(super) fn insert(&mut self, token: TokenId, tip: &Tip, tips: &HashMap<TokenId, Tip>) {
        match self {
            Owned::One(one) if *one == token => {}
            Owned::One(one) => {
                let mut many = Box::<Many>::default();
                many.insert(*one, self::tip(tips, one));
                many.insert(token, tip);
                *self = Owned::Many(many);
            }
            Owned::Many(many) => many.insert(token, tip),
        }
    }

    /// What the tokens come to of assets with ids above `after`, at most `count`, in order.
    pub(super) fn sums(
        &self,
        tips: &HashMap<TokenId, Tip>,
        after: Option<AssetId>,
        count: usize,
    ) -> Vec<(AssetId, Sum)> {
        match self {
            Owned::One(one) => {
                let tip = tip(tips, one);
                let sum = (tip.asset, Sum { units: tip.amount, tokens: 1 });
                Vec::from_iter(Some(sum).filter(|(asset, _)| after.is_none_or(|it| *asset > it)))
            }
            Owned::Many(many) => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let above = many.sums.range((from, Bound::Unbounded)).take(count);
                above.map(|(asset, sum)| (*asset, *sum)).collect()
            }
        }
    }

    /// Takes a token out that stands at `tip`; whether it was the last, and then this is to be
    /// thrown away.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub(super) fn remove(&mut self, token: &TokenId, tip: &Tip) -> bool {
        match self {
            Owned::One(one) => {
                assert_eq!(one, token, "owners name their live tokens");
                return true;
            }
            Owned::Many(many) => many.remove(token, tip),
        }
        if let Owned::Many(many) = self
            && let (1, Some(last)) = (many.tokens.len(), many.tokens.first())
        {
            *self = Owned::One(*last);
        }
        false
    }

    /// The tokens from `from` on, in order.
    pub(super) fn from(&self, from: Bound<TokenId>) -> impl Iterator<Item = &TokenId> + '_ {
        let is_in = |token: &&TokenId| match &from {
            Bound::Included(first) => *token >= first,
            Bound::Excluded(before) => *token > before,
            Bound::Unbounded => true,
        };
        let (one, many) = match self {
            Owned::One(one) => (Some(one).filter(is_in), None),
            Owned::Many(many) => (None, Some(many.tokens.range((from, Bound::Unbounded)))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Digest;

    fn token(number: u8) -> TokenId {
        TokenId(Digest([number; 32]))
    }

    fn all(owned: &Owned, from: Bound<TokenId>) -> Vec<u8> {
        owned.from(from).map(|token| token.bytes()[0]).collect()
    }

    /// Tokens 1 to 9, each of its number in units, the odd ones of one asset, the even of another.
    fn tips() -> HashMap<TokenId, Tip> {
        let tip = |number: u8| Tip {
            height: 0,
            made_by: Default::default(),
            asset: asset(number),
            amount: number.into(),
            owner: crate::testkit::address(0),
            ended_by: None,
        };
        (1..=9).map(|number| (token(number), tip(number))).collect()
    }

    fn asset(number: u8) -> AssetId {
        AssetId(Digest([number % 2; 32]))
    }

    fn add(owned: &mut Owned, number: u8) {
        let tips = tips();
        owned.insert(token(number), &tips[&token(number)], &tips);
    }

    fn take(owned: &mut Owned, number: u8) -> bool {
        owned.remove(&token(number), &tips()[&token(number)])
    }

    #[test]
    fn tokens_come_in_order_from_where_they_are_asked_for() {
        let mut owned = Owned::One(token(5));
        add(&mut owned, 5);
        assert_eq!(all(&owned, Bound::Unbounded), [5]);
        assert_eq!(all(&owned, Bound::Included(token(5))), [5]);
        assert!(all(&owned, Bound::Excluded(token(5))).is_empty());
        [9, 2, 9].into_iter().for_each(|number| add(&mut owned, number));
        assert_eq!(all(&owned, Bound::Unbounded), [2, 5, 9]);
        assert_eq!(all(&owned, Bound::Excluded(token(2))), [5, 9]);
        assert_eq!(all(&owned, Bound::Included(token(3))), [5, 9]);
    }

    #[test]
    fn the_last_but_one_leaves_one_and_the_last_nothing() {
        let mut owned = Owned::One(token(1));
        add(&mut owned, 2);
        assert!(!take(&mut owned, 1), "one is left");
        assert_eq!(owned, Owned::One(token(2)));
        assert!(take(&mut owned, 2));
    }

    #[test]
    fn sums_follow_what_comes_and_goes_and_an_asset_of_nothing_is_not_told() {
        let of = |owned: &Owned| {
            let sums = owned.sums(&tips(), None, usize::MAX);
            sums.into_iter().map(|(id, sum)| (id, sum.units, sum.tokens)).collect::<Vec<_>>()
        };
        let mut owned = Owned::One(token(5));
        assert_eq!(of(&owned), [(asset(5), 5, 1)]);
        [2, 9, 9, 4].into_iter().for_each(|number| add(&mut owned, number));
        assert_eq!(of(&owned), [(asset(2), 6, 2), (asset(5), 14, 2)]);
        let page = |after, count| owned.sums(&tips(), after, count);
        assert_eq!(page(None, 1), page(None, 9)[..1]);
        assert_eq!(page(Some(asset(2)), 9), page(None, 9)[1..]);
        assert_eq!(page(Some(asset(5)), 9), []);
        assert!(!take(&mut owned, 2) && !take(&mut owned, 4));
        assert_eq!(of(&owned), [(asset(5), 14, 2)]);
        assert!(!take(&mut owned, 5));
        assert_eq!(of(&owned), [(asset(9), 9, 1)]);
    }
}
