//! The committee and its quorum arithmetic.
//!
//! Why a quorum of q = ⌊2W/3⌋ + 1 of the total weight W is right, for any Byzantine weight F < W/3:
//! * two quorums overlap in weight ≥ 2q − W > 2·(2W/3) − W = W/3 > F, so in an honest member;
//! * the honest weight W − F > 2W/3 is a whole number above 2W/3, so at least ⌊2W/3⌋ + 1 = q: the
//!   honest members alone can always reach it.
//!
//! For n = 3f + 1 members of weight 1, q = 2f + 1: 5 of 7, 3 of 4.

use crate::encoding::canonical_struct;
use crate::key::{KeyTable, PublicKey, Signature};
use crate::name::Name;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most members; votes carry the member's index in a `u16` and messages go to everybody.
pub const MEMBERS_MAX: usize = 256;

/// One member of a committee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// 1 to 32 lower-case letters, digits and dashes; for people.
    pub name: Name,
    /// The key it votes with.
    pub key: PublicKey,
    /// How much its vote counts, above 0.
    pub weight: u64,
}
canonical_struct!(Member { name, key, weight });

/// Who may vote in an epoch. `members[i]` is the member with index i; the order is the genesis'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    members: Vec<Member>,
    total: u64,
    quorum: u64,
    /// The members' keys by index.
    keys: Arc<KeyTable>,
}

/// Why members make no committee.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// None, or more than 256.
    #[error("a committee has 1 to 256 members, not {0}")]
    Size(usize),
    /// Two members with one key or one name.
    #[error("member {0} repeats the key or the name of another member")]
    Repeated(Name),
    /// A weight of zero.
    #[error("member {0} has weight 0")]
    NoWeight(Name),
    /// A key that is no point of the curve.
    #[error("the key of member {0} is not a point of the curve")]
    BadKey(Name),
    /// The weights add up to more than half of what 64 bits hold.
    #[error("the weights are too large to add up")]
    TooHeavy,
}

impl Committee {
    /// Checks the members and computes the quorum.
    ///
    /// # Errors
    /// Every [`CommitteeError`].
    pub fn new(members: Vec<Member>) -> Result<Self, CommitteeError> {
        if members.is_empty() || members.len() > MEMBERS_MAX {
            return Err(CommitteeError::Size(members.len()));
        }
        let mut keys = BTreeSet::new();
        let mut names = BTreeSet::new();
        let mut total: u64 = 0;
        for member in &members {
            if !keys.insert(member.key) || !names.insert(&member.name) {
                return Err(CommitteeError::Repeated(member.name.clone()));
            }
            if member.weight == 0 {
                return Err(CommitteeError::NoWeight(member.name.clone()));
            }
            if !member.key.is_on_curve() {
                return Err(CommitteeError::BadKey(member.name.clone()));
            }
            total = total.checked_add(member.weight).ok_or(CommitteeError::TooHeavy)?;
        }
        let doubled = total.checked_mul(2).ok_or(CommitteeError::TooHeavy)?;
        let quorum = doubled / 3 + 1;
        assert!(quorum <= total, "everybody together is a quorum");
        let known: Vec<PublicKey> = members.iter().map(|member| member.key).collect();
        let keys = KeyTable::new(&known).expect("each key is on the curve");
        Ok(Self { members, total, quorum, keys: Arc::new(keys) })
    }

    /// The members, in genesis order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member with this index.
    pub fn member(&self, index: u16) -> Option<&Member> {
        self.members.get(usize::from(index))
    }

    /// The index of the member with this key.
    pub fn index_of(&self, key: &PublicKey) -> Option<u16> {
        let position = self.members.iter().position(|member| member.key == *key)?;
        Some(u16::try_from(position).expect("at most 256 members"))
    }

    /// The weight of one member; 0 for a stranger.
    pub fn weight(&self, index: u16) -> u64 {
        self.member(index).map_or(0, |member| member.weight)
    }

    /// The members' keys by index, for checking their signatures.
    pub fn keys(&self) -> &KeyTable {
        &self.keys
    }

    /// Whether `signature` is that member's over `message`; a stranger has signed nothing. About
    /// 17 µs.
    pub fn verifies(&self, member: u16, signature: &Signature, message: &[u8]) -> bool {
        self.keys.verifies(usize::from(member), signature, message)
    }

    /// All weights together.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How much vote weight is enough: ⌊2W/3⌋ + 1.
    pub fn quorum(&self) -> u64 {
        self.quorum
    }

    /// The most weight that may be Byzantine: the largest F with 3F < W.
    pub fn faulty_max(&self) -> u64 {
        (self.total - 1) / 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Keypair;

    fn member(number: u8, weight: u64) -> Member {
        let name = Name::new(&format!("v{number}")).expect("a good name");
        Member { name, key: Keypair::from_seed([number; 32]).public(), weight }
    }

    #[test]
    fn the_usual_sizes() {
        for (size, quorum, faulty) in [(1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 3, 1), (7, 5, 2)] {
            let members = (1..=size).map(|number| member(number, 1)).collect();
            let committee = Committee::new(members).expect("a good committee");
            assert_eq!((committee.quorum(), committee.faulty_max()), (quorum, faulty), "{size}");
        }
    }

    #[test]
    fn quorums_overlap_in_an_honest_member_and_the_honest_reach_one() {
        for total in 1..3_000u64 {
            let committee = Committee::new(vec![member(1, total)]).expect("a good committee");
            let (quorum, faulty) = (committee.quorum(), committee.faulty_max());
            assert!(3 * faulty < total && 3 * (faulty + 1) >= total);
            assert!(2 * quorum - total > faulty, "overlap at {total}");
            assert!(total - faulty >= quorum, "liveness at {total}");
        }
    }

    #[test]
    fn members_are_known_by_index_and_key() {
        let members = vec![member(1, 4), member(2, 2), member(3, 1)];
        let committee = Committee::new(members.clone()).expect("a good committee");
        assert_eq!((committee.total(), committee.quorum()), (7, 5));
        for (index, member) in (0u16..).zip(&members) {
            assert_eq!(committee.member(index), Some(member));
            assert_eq!(committee.index_of(&member.key), Some(index));
            assert_eq!(committee.weight(index), member.weight);
        }
        assert_eq!((committee.member(3), committee.weight(3)), (None, 0), "a stranger");
        assert_eq!(committee.index_of(&member(4, 1).key), None);
    }

    #[test]
    fn odd_committees_are_refused() {
        assert_eq!(Committee::new(vec![]), Err(CommitteeError::Size(0)));
        let twice = vec![member(1, 1), member(1, 2)];
        assert!(matches!(Committee::new(twice), Err(CommitteeError::Repeated(_))));
        let light = vec![member(1, 0)];
        assert!(matches!(Committee::new(light), Err(CommitteeError::NoWeight(_))));
        let heavy = vec![member(1, u64::MAX), member(2, 1)];
        assert_eq!(Committee::new(heavy), Err(CommitteeError::TooHeavy));
        assert_eq!(Committee::new(vec![member(1, u64::MAX)]), Err(CommitteeError::TooHeavy));
        let off = (0..=255u8)
            .filter_map(|number| PublicKey::from_bytes([number; 32]).ok())
            .find(|key| !key.is_on_curve())
            .expect("half of all encodings are no points");
        let mut bad = member(1, 1);
        bad.key = off;
        assert!(matches!(Committee::new(vec![bad]), Err(CommitteeError::BadKey(_))));
    }
}
