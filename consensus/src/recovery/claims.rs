//! What validators claim to have accepted, and which of it may still become final. A transfer that
//! was accepted in round ρ can no longer live if, for one of its input states, there is a receipt,
//! or a Lock certificate of a round above ρ, of a different transfer (protocol §4).

use ledger::{Accepted, TokenState, Transfer, TransferId};
use std::collections::{BTreeMap, BTreeSet};

/// What is proven beside the claims: Lock certificates and receipts.
#[derive(Clone, Debug, Default)]
pub struct Proven {
    /// The input states of each transfer that is locked by a quorum, by round.
    locked: BTreeMap<Accepted, BTreeSet<TokenState>>,
    /// What is locked by a quorum for each state.
    by_state: BTreeMap<TokenState, BTreeSet<Accepted>>,
    /// The final spender of each state, as far as receipts tell.
    spent: BTreeMap<TokenState, TransferId>,
}

impl Proven {
    /// A verified Lock certificate.
    pub fn add_lock(&mut self, accepted: Accepted, transfer: &Transfer) {
        let states: BTreeSet<TokenState> = transfer.inputs.iter().map(|i| i.state).collect();
        for state in &states {
            self.by_state.entry(*state).or_default().insert(accepted);
        }
        self.locked.insert(accepted, states);
    }

    /// A verified receipt.
    pub fn add_final(&mut self, id: TransferId, transfer: &Transfer) {
        self.spent.extend(transfer.inputs.iter().map(|input| (input.state, id)));
    }

    /// Whether a quorum locked this transfer in this round, and it spends `state`.
    pub fn has_locked(&self, accepted: &Accepted, state: &TokenState) -> bool {
        self.locked.get(accepted).is_some_and(|states| states.contains(state))
    }

    /// Whether what was accepted can no longer become final by that accept.
    pub fn is_dead(&self, accepted: &Accepted) -> bool {
        let Some(states) = self.locked.get(accepted) else { return false };
        let is_spent =
            |state: &TokenState| self.spent.get(state).is_some_and(|by| *by != accepted.transfer);
        let is_passed = |state: &TokenState| {
            let others = self.by_state.get(state).into_iter().flatten();
            others
                .into_iter()
                .any(|other| other.round > accepted.round && other.transfer != accepted.transfer)
        };
        states.iter().any(|state| is_spent(state) || is_passed(state))
    }
}

/// What the reports of all states of one transfer come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Highest {
    /// Nothing that may live is accepted.
    None,
    /// The highest that may live.
    One(Accepted),
    /// Two of one round: more than f members lie.
    Torn(Accepted, Accepted),
}

/// The highest claim that may live. `own`, the transfer that is to be proposed, is never left out
/// as dead: it may be proposed again or not at all.
pub fn highest(claims: &BTreeSet<Accepted>, proven: &Proven, own: Option<TransferId>) -> Highest {
    // By round, so that the last is the highest.
    let may_live = |claim: &&Accepted| Some(claim.transfer) == own || !proven.is_dead(claim);
    let mut alive = claims.iter().filter(may_live).rev();
    match (alive.next(), alive.next()) {
        (None, _) => Highest::None,
        (Some(first), Some(second)) if first.round == second.round => {
            Highest::Torn(*second, *first)
        }
        (Some(first), _) => Highest::One(*first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::*;

    fn accepted(round: u32, transfer: &ledger::SignedTransfer) -> Accepted {
        Accepted { round, transfer: id(transfer) }
    }

    fn claims(list: &[Accepted]) -> BTreeSet<Accepted> {
        list.iter().copied().collect()
    }

    #[test]
    fn the_highest_round_wins_and_two_of_one_round_are_torn() {
        let (one, two) = (pay_coin(0, "one"), pay_coin(0, "two"));
        let mut proven = Proven::default();
        let (low, high) = (accepted(0, &one), accepted(2, &two));
        proven.add_lock(low, &one.transfer);
        assert_eq!(highest(&claims(&[low]), &proven, None), Highest::One(low));
        assert_eq!(highest(&claims(&[]), &proven, None), Highest::None);
        proven.add_lock(high, &two.transfer);
        assert_eq!(highest(&claims(&[low, high]), &proven, None), Highest::One(high));
        let torn = accepted(2, &one);
        proven.add_lock(torn, &one.transfer);
        let found = highest(&claims(&[torn, high]), &proven, None);
        assert!(matches!(found, Highest::Torn(..)));
    }

    #[test]
    fn a_higher_certificate_or_a_receipt_of_another_transfer_ends_an_accept() {
        let pair = pay(0, &[coin(0), coin(1)], 1, "pair");
        let (other, far) = (pay_coin(1, "other"), pay_coin(2, "far"));
        let low = accepted(0, &pair);
        let with = |fill: &dyn Fn(&mut Proven)| {
            let mut proven = Proven::default();
            proven.add_lock(low, &pair.transfer);
            fill(&mut proven);
            proven.is_dead(&low)
        };
        assert!(!with(&|_| {}));
        assert!(with(&|p| p.add_lock(accepted(1, &other), &other.transfer)));
        assert!(with(&|p| p.add_final(id(&other), &other.transfer)));
        // Of the same round, of itself, of other states: none of them ends it.
        assert!(!with(&|p| p.add_lock(accepted(0, &other), &other.transfer)));
        assert!(!with(&|p| p.add_lock(accepted(1, &pair), &pair.transfer)));
        assert!(!with(&|p| p.add_final(id(&pair), &pair.transfer)));
        assert!(!with(&|p| p.add_lock(accepted(1, &far), &far.transfer)));
        assert!(!with(&|p| p.add_final(id(&far), &far.transfer)));
    }

    #[test]
    fn what_is_to_be_proposed_again_is_not_left_out() {
        let (pair, other) = (pay(0, &[coin(0), coin(1)], 1, "pair"), pay_coin(1, "other"));
        let (low, high) = (accepted(0, &pair), accepted(1, &other));
        let mut proven = Proven::default();
        proven.add_lock(low, &pair.transfer);
        proven.add_lock(high, &other.transfer);
        assert_eq!(highest(&claims(&[low]), &proven, None), Highest::None);
        let own = Some(id(&pair));
        assert_eq!(highest(&claims(&[low]), &proven, own), Highest::One(low));
    }
}
