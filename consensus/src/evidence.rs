//! Evidence (R9): two signed things that an honest key never signs together. Checkable by anyone.

use crate::batch::Batch;
use crate::recovery::is_refresh;
use ledger::encoding::canonical_struct;
use ledger::{Canonical, DecodeError, Entry, Network, Reader, TokenState, Vote};

/// Proof that a key misbehaved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Two transfers of one owner for one state in one round.
    Owner(OwnerEvidence),
    /// Two votes of one validator for one batch and phase, of which neither covers the other.
    Votes(VoteEvidence),
}

/// Two transfers of one owner that spend one state in one round. An owner does not sign the round,
/// and one that recovers a state signs its refresh beside what it had signed before: so a refresh
/// is never evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerEvidence {
    /// The one that was seen first here.
    pub first: Entry,
    /// The other.
    pub second: Entry,
}
canonical_struct!(OwnerEvidence { first, second });

/// Two votes of one member that the rules forbid together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteEvidence {
    /// One.
    pub first: Vote,
    /// The other.
    pub second: Vote,
}
canonical_struct!(VoteEvidence { first, second });

/// Evidence that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEvidence {
    /// A signature in it is not valid.
    #[error("a signature in the evidence is not valid")]
    BadSignature,
    /// Nothing in it contradicts anything else in it.
    #[error("the two signed statements do not contradict each other")]
    NoContradiction,
}

impl Evidence {
    /// Checks it with nothing but the genesis. Never convicts an honest key: an honest owner signs
    /// one transfer a state and round, an honest validator's later votes only add bits.
    ///
    /// # Errors
    /// Every [`NoEvidence`].
    pub fn verify(&self, network: &Network) -> Result<(), NoEvidence> {
        match self {
            Evidence::Owner(evidence) => evidence.verify(network),
            Evidence::Votes(evidence) => evidence.verify(network),
        }
    }
}

impl OwnerEvidence {
    /// The state that both spend.
    pub fn state(&self) -> Option<TokenState> {
        let first = &self.first.signed.transfer.inputs;
        let second = &self.second.signed.transfer.inputs;
        let is_shared = |input: &&ledger::Input| second.iter().any(|o| o.state == input.state);
        first.iter().find(is_shared).map(|input| input.state)
    }

    fn verify(&self, network: &Network) -> Result<(), NoEvidence> {
        let (first, second) = (&self.first.signed, &self.second.signed);
        let (a, b) = (&first.transfer, &second.transfer);
        let is_same_owner = a.owner == b.owner && self.first.round == self.second.round;
        let is_ours = |t: &ledger::Transfer| t.network == network.id && t.epoch == network.epoch;
        let is_conflict = a.id() != b.id() && self.state().is_some();
        let is_conflict = is_conflict && !is_refresh(a) && !is_refresh(b);
        if !is_same_owner || !is_conflict || !is_ours(a) || !is_ours(b) {
            return Err(NoEvidence::NoContradiction);
        }
        for signed in [first, second] {
            let statement = signed.transfer.statement(signed.transfer.id());
            if !signed.transfer.owner.0.verifies(&signed.signature, &statement) {
                return Err(NoEvidence::BadSignature);
            }
        }
        Ok(())
    }
}

impl VoteEvidence {
    fn verify(&self, network: &Network) -> Result<(), NoEvidence> {
        let (a, b) = (&self.first.ballot, &self.second.ballot);
        let is_same = (a.epoch, a.phase, a.batch, self.first.member)
            == (b.epoch, b.phase, b.batch, self.second.member);
        if !is_same || a.bitmap.covers(&b.bitmap) || b.bitmap.covers(&a.bitmap) {
            return Err(NoEvidence::NoContradiction);
        }
        let is_valid = |vote: &Vote| vote.is_valid(&network.id, &network.committee);
        if is_valid(&self.first) && is_valid(&self.second) {
            Ok(())
        } else {
            Err(NoEvidence::BadSignature)
        }
    }
}

/// Evidence that the owner of `batch.entries()[index]` signed another transfer before, out of
/// `earlier`.
pub fn of_owner(earlier: (&Batch, usize), later: (&Batch, usize)) -> Option<OwnerEvidence> {
    let first = earlier.0.entries().get(earlier.1)?.clone();
    let second = later.0.entries().get(later.1)?.clone();
    if is_refresh(&first.signed.transfer) || is_refresh(&second.signed.transfer) {
        return None;
    }
    let evidence = OwnerEvidence { first, second };
    (evidence.first.round == evidence.second.round && evidence.state().is_some())
        .then_some(evidence)
}

impl Canonical for Evidence {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Evidence::Owner(evidence) => {
                out.push(0);
                evidence.write(out);
            }
            Evidence::Votes(evidence) => {
                out.push(1);
                evidence.write(out);
            }
        }
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match u8::read(reader)? {
            0 => Evidence::Owner(OwnerEvidence::read(reader)?),
            1 => Evidence::Votes(VoteEvidence::read(reader)?),
            tag => return Err(DecodeError::BadTag { what: "kind of evidence", tag }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::*;
    use ledger::Phase;

    #[test]
    fn evidence_against_an_owner_holds_only_for_two_transfers_of_one_state() {
        let (_, batch) = batch(0, &[pay_coin(0, "one"), pay_coin(0, "two"), pay_coin(1, "")]);
        let network = network();
        let good = of_owner((&batch, 0), (&batch, 1)).expect("one state");
        assert_eq!(Evidence::Owner(good.clone()).verify(&network), Ok(()));
        assert_eq!(of_owner((&batch, 0), (&batch, 2)), None);
        let change = |change: fn(&mut OwnerEvidence)| {
            let mut changed = good.clone();
            change(&mut changed);
            Evidence::Owner(changed).verify(&network)
        };
        assert_eq!(change(|e| e.second = e.first.clone()), Err(NoEvidence::NoContradiction));
        assert_eq!(change(|e| e.second.round = 1), Err(NoEvidence::NoContradiction));
        let forged = change(|e| e.second.signed.signature.0[0] ^= 1);
        assert_eq!(forged, Err(NoEvidence::BadSignature));
        let other = change(|e| e.second.signed = pay_coin(1, ""));
        assert_eq!(other, Err(NoEvidence::NoContradiction));
        let elsewhere = change(|e| e.second.signed.transfer.epoch = 4);
        assert_eq!(elsewhere, Err(NoEvidence::NoContradiction));
    }

    #[test]
    fn r9_an_owner_that_recovers_a_state_signs_its_refresh_beside_and_is_no_traitor() {
        let network = network();
        let refresh = crate::recovery::refresh(&network, address(0), coin(0));
        let refresh = refresh.sign(&owner_key(0));
        let (_, batch) = batch(0, &[pay_coin(0, "one"), refresh.clone()]);
        for (first, second) in [(0, 1), (1, 0)] {
            assert_eq!(of_owner((&batch, first), (&batch, second)), None);
            let entry = |index: usize| batch.entries()[index].clone();
            let shown = OwnerEvidence { first: entry(first), second: entry(second) };
            let found = Evidence::Owner(shown).verify(&network);
            assert_eq!(found, Err(NoEvidence::NoContradiction));
        }
    }

    #[test]
    fn r9_evidence_is_of_one_owner_in_this_network_and_epoch() {
        let network = network();
        let shown = |change: fn(&mut ledger::Transfer), signer: u8| {
            let of = |memo: &str| {
                let mut transfer = pay_coin(0, memo).transfer;
                change(&mut transfer);
                Entry::ordinary(transfer.sign(&owner_key(signer)))
            };
            let evidence = OwnerEvidence { first: of("one"), second: of("two") };
            Evidence::Owner(evidence).verify(&network)
        };
        let nothing = Err(NoEvidence::NoContradiction);
        assert_eq!(shown(|_| {}, 0), Ok(()));
        assert_eq!(shown(|_| {}, 1), Err(NoEvidence::BadSignature));
        assert_eq!(shown(|transfer| transfer.network = Default::default(), 0), nothing);
        assert_eq!(shown(|transfer| transfer.epoch += 1, 0), nothing);
        // Somebody else signs a transfer of the same state: that is for R2 to refuse.
        let first = Entry::ordinary(pay_coin(0, "one"));
        let second = Entry::ordinary(pay(1, &[coin(0)], 2, "not the owner's"));
        let evidence = OwnerEvidence { first, second };
        assert_eq!(Evidence::Owner(evidence).verify(&network), nothing);
    }

    #[test]
    fn evidence_against_a_voter_holds_only_when_bits_are_taken_back() {
        let (_, batch) = batch(0, &[pay_coin(0, ""), pay_coin(1, "")]);
        let network = network();
        let of = |first: Vote, second: Vote| {
            Evidence::Votes(VoteEvidence { first, second }).verify(&network)
        };
        let lock = |member, text| vote(member, Phase::Lock, &batch, text);
        assert_eq!(of(lock(1, "1."), lock(1, ".1")), Ok(()));
        assert_eq!(of(lock(1, "1."), lock(1, "11")), Err(NoEvidence::NoContradiction));
        assert_eq!(of(lock(1, "1."), lock(2, ".1")), Err(NoEvidence::NoContradiction));
        let commit = vote(1, Phase::Commit, &batch, ".1");
        assert_eq!(of(lock(1, "1."), commit), Err(NoEvidence::NoContradiction));
        let mut forged = lock(2, ".1");
        forged.member = 1;
        assert_eq!(of(lock(1, "1."), forged), Err(NoEvidence::BadSignature));
    }
}
