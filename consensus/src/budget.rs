//! How much a member may cost the others: an account for each, which fills with what is charged
//! and empties with time. Who is above the line is refused until it has emptied again.
//!
//! It decides nothing about what is charged, see `validator/charge.rs`, and holds no clock: time
//! comes in as microseconds of any clock that only goes forward.

use std::collections::BTreeMap;

const US_PER_S: u64 = 1_000_000;

/// Accounts of all members. Only members of the committee are charged, so there are few.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Charged at once and still allowed.
    burst: u64,
    /// Forgiven in a second.
    per_s: u64,
    /// An account holds at most what is forgiven in this many seconds, and the burst: so long does
    /// the longest refusal take.
    refused_s_max: u64,
    accounts: BTreeMap<u16, Account>,
}

/// One member's account at the time of its last charge.
#[derive(Clone, Copy, Debug)]
struct Account {
    /// Millionths of what is charged, so that nothing is lost between two charges.
    micros: u64,
    at_us: u64,
}

impl Budget {
    /// Nothing is charged yet.
    pub fn new(burst: u64, per_s: u64, refused_s_max: u64) -> Self {
        Self { burst, per_s, refused_s_max, accounts: BTreeMap::new() }
    }

    /// Charges a member.
    pub fn charge(&mut self, now_us: u64, member: u16, cost: u64) {
        let most = self.burst + self.per_s * self.refused_s_max;
        let micros = self.left(now_us, member).saturating_add(cost.saturating_mul(US_PER_S));
        let micros = micros.min(most * US_PER_S);
        self.accounts.insert(member, Account { micros, at_us: now_us });
    }

    /// Whether a member has been charged more than is allowed.
    pub fn is_spent(&self, now_us: u64, member: u16) -> bool {
        self.left(now_us, member) > self.burst * US_PER_S
    }

    /// What is not forgiven yet, in millionths.
    fn left(&self, now_us: u64, member: u16) -> u64 {
        let Some(account) = self.accounts.get(&member) else { return 0 };
        let since_us = now_us.saturating_sub(account.at_us);
        account.micros.saturating_sub(since_us.saturating_mul(self.per_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_charged_more_than_allowed_is_refused_for_a_while_and_nobody_else() {
        let mut budget = Budget::new(10, 5, 60);
        budget.charge(0, 1, 10);
        assert!(!budget.is_spent(0, 1), "the whole burst is allowed");
        budget.charge(0, 1, 1);
        assert!(budget.is_spent(0, 1) && !budget.is_spent(0, 2));
        assert!(budget.is_spent(199_999, 1), "a unit takes a fifth of a second");
        assert!(!budget.is_spent(200_000, 1));
        budget.charge(200_000, 1, 1);
        assert!(budget.is_spent(200_000, 1), "and nothing else is forgiven");
        assert!(!budget.is_spent(100_000_000, 1));
    }

    #[test]
    fn the_longest_refusal_is_bounded_whatever_was_charged() {
        let mut budget = Budget::new(10, 5, 60);
        for _ in 0..3 {
            budget.charge(7, 1, u64::MAX);
        }
        assert!(budget.is_spent(59_999_999, 1));
        assert!(!budget.is_spent(60_000_007, 1));
    }

    #[test]
    fn a_clock_that_seems_to_go_back_forgives_nothing_twice() {
        let mut budget = Budget::new(10, 5, 60);
        budget.charge(1_000_000, 1, 15);
        budget.charge(0, 1, 0);
        assert!(budget.is_spent(999_999, 1));
        assert!(!budget.is_spent(1_000_000, 1));
    }
}
