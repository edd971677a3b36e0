//! The live tokens of one owner. Most owners have one: a set of its own for each took 450 bytes of
//! memory a token, this takes 108 (10^6 tokens of as many owners).

use ledger::TokenId;
use std::collections::BTreeSet;
use std::ops::Bound;

/// At least one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owned {
    One(TokenId),
    /// At least two.
    Many(BTreeSet<TokenId>),
}

impl Owned {
    /// Adds a token; one that is there already changes nothing.
    pub(super) fn insert(&mut self, token: TokenId) {
        match self {
            Owned::One(one) if *one == token => {}
            Owned::One(one) => *self = Owned::Many(BTreeSet::from([*one, token])),
            Owned::Many(set) => drop(set.insert(token)),
        }
    }

    /// Takes a token out; whether it was the last, and then this is to be thrown away.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub(super) fn remove(&mut self, token: &TokenId) -> bool {
        match self {
            Owned::One(one) => {
                assert_eq!(one, token, "owners name their live tokens");
                return true;
            }
            Owned::Many(set) => assert!(set.remove(token), "owners name their live tokens"),
        }
        if let Owned::Many(set) = self
            && let (1, Some(last)) = (set.len(), set.first())
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
            Owned::Many(set) => (None, Some(set.range((from, Bound::Unbounded)))),
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

    #[test]
    fn tokens_come_in_order_from_where_they_are_asked_for() {
        let mut owned = Owned::One(token(5));
        owned.insert(token(5));
        assert_eq!(all(&owned, Bound::Unbounded), [5]);
        assert_eq!(all(&owned, Bound::Included(token(5))), [5]);
        assert!(all(&owned, Bound::Excluded(token(5))).is_empty());
        [9, 2, 9].into_iter().for_each(|number| owned.insert(token(number)));
        assert_eq!(all(&owned, Bound::Unbounded), [2, 5, 9]);
        assert_eq!(all(&owned, Bound::Excluded(token(2))), [5, 9]);
        assert_eq!(all(&owned, Bound::Included(token(3))), [5, 9]);
    }

    #[test]
    fn the_last_but_one_leaves_one_and_the_last_nothing() {
        let mut owned = Owned::One(token(1));
        owned.insert(token(2));
        assert!(!owned.remove(&token(1)), "one is left");
        assert_eq!(owned, Owned::One(token(2)));
        assert!(owned.remove(&token(2)));
    }
}
