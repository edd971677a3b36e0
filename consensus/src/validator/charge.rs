//! What members are charged for: work that was for nothing, and that an honest member never
//! causes. Signatures that do not hold under its own proposal, certificates with bad votes, frames
//! that are none. Who has caused too much of it is not listened to for a while; so a lone liar
//! takes a bounded share of a processor, and nobody can be framed, because the link and the
//! proposer's signature say whose work it was.
//!
//! Owners' `Recover`s have an account of their own: they prove nothing against who passes them on,
//! so what is above it is dropped without blame, and its owner is heard again a moment later.

use super::{Open, Validator, blame};
use crate::batch::Proposal;
use crate::budget::Budget;
use crate::judge::Judged;
use crate::limits::{
    DEADLINE_US, OPEN_BATCHES_PER_PROPOSER_MAX, OPEN_BYTES_PER_PROPOSER_MAX, RECOVER_COST,
    RECOVERED_BURST, RECOVERED_PER_S, REFUSED_S_MAX, SENT_KIB_BURST, SENT_KIB_PER_S,
    USELESS_BATCHES_PER_PROPOSER_MAX, WRONGS_BURST, WRONGS_PER_S,
};
use crate::step::Step;
use crate::verdict::{Refusal, Verdict};
use ledger::{BatchId, Entry, SignedRecover, TransferError};

/// What is said of a batch that is not looked at.
pub(super) const UNHEARD: &str = "a batch, and it made this member work for nothing too often";

/// The accounts of the members.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    wrongs: Budget,
    recovers: Budget,
    long: Budget,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            wrongs: Budget::new(WRONGS_BURST, WRONGS_PER_S, REFUSED_S_MAX),
            recovers: Budget::new(RECOVERED_BURST, RECOVERED_PER_S, 1),
            long: Budget::new(SENT_KIB_BURST, SENT_KIB_PER_S, 1),
        }
    }
}

/// What it costs at most to find out that so many bytes prove nothing, in checks of a signature:
/// among them are no more signatures than that, and hashing them costs less.
pub fn cost_of(bytes: usize) -> u64 {
    1 + u64::try_from(bytes).expect("a size fits 64 bits") / 1_024
}

impl Validator {
    /// Charges a member for work that it made others do for nothing, in checks of a signature, and
    /// that no honest member causes.
    pub fn charge(&mut self, now_us: u64, member: u16, checks: u64) {
        if member != self.member && self.network.committee.member(member).is_some() {
            self.accounts.wrongs.charge(now_us, member, checks);
        }
    }

    /// Whether a member is not listened to for now: it made this one work for nothing too often.
    pub fn is_refused(&self, now_us: u64, member: u16) -> bool {
        self.accounts.wrongs.is_spent(now_us, member)
    }

    /// Whether a proposer may have one more batch open here. Batches in which nothing moves any
    /// more do not count: an owner that splits the locks of its own tokens must not use up the room
    /// of the honest member that proposed them.
    pub(super) fn has_room_for(&self, now_us: u64, proposer: u16, bytes: usize) -> bool {
        let judging = self.judging.iter().filter(|((_, other), _)| *other == proposer);
        let its = || self.open.unfinished(proposer);
        let moves = |open: &Open| open.touched_us + DEADLINE_US > now_us && !self.is_resolved(open);
        let useless = its().filter(|open| open.is_useless()).map(|open| open.bytes);
        let (useless, useless_bytes) = count_and_sum(useless);
        let moving = its().filter(|open| moves(open)).map(|open| open.bytes);
        let (busy, busy_bytes) = count_and_sum(moving.chain(judging.map(|(_, bytes)| *bytes)));
        useless < USELESS_BATCHES_PER_PROPOSER_MAX
            && busy < OPEN_BATCHES_PER_PROPOSER_MAX
            && useless_bytes + busy_bytes + bytes <= OPEN_BYTES_PER_PROPOSER_MAX
    }

    /// The pipeline has not looked at a batch, because its proposer is not listened to any more.
    pub fn unheard(&mut self, batch: BatchId, proposer: u16) -> Step {
        let mut step = Step::default();
        self.judging.remove(&(batch, proposer));
        blame(&mut step, proposer, UNHEARD.into());
        step
    }

    /// Charges a proposer for a batch that is refused whole.
    pub(super) fn charge_batch(&mut self, now_us: u64, judged: &Judged) {
        let cost = cost_of(Open::bytes_of(&judged.proposal));
        self.charge(now_us, judged.proposal.proposer, cost);
    }

    /// Charges a proposer for the entries whose signatures or justifications do not hold. An honest
    /// one proposes only what it has checked, and whether they hold is the same everywhere.
    pub(super) fn charge_entries(&mut self, now_us: u64, judged: &Judged, step: &mut Step) {
        let checks = |(entry, verdict): (&Entry, &Option<Verdict>)| match verdict {
            Some(Verdict::Invalid(Refusal::Transfer(TransferError::BadSignature))) => 1,
            Some(Verdict::Invalid(Refusal::NotJustified)) => cost_of(entry.justification.len()),
            _ => 0,
        };
        let checks: u64 = judged.proposal.entries.iter().zip(&judged.verdicts).map(checks).sum();
        let proposer = judged.proposal.proposer;
        if checks > 0 && proposer != self.member {
            self.charge(now_us, proposer, checks);
            blame(step, proposer, "a batch with signatures that do not hold (R2)".into());
        }
    }

    /// Whether a member may send a long message of so many bytes, for which it is charged: decoding
    /// them takes the driver's time, whatever they say.
    pub fn may_send(&mut self, now_us: u64, from: u16, bytes: usize) -> bool {
        let kib = u64::try_from(bytes).expect("a size fits 64 bits") / 1_024;
        let is_spent = self.accounts.long.is_spent(now_us, from);
        if !is_spent {
            self.accounts.long.charge(now_us, from, kib);
        }
        !is_spent
    }

    /// About how many bytes the entries of a proposal take.
    pub fn bytes_of(&self, proposal: &Proposal) -> usize {
        Open::bytes_of(proposal)
    }

    /// Whether a `Recover` that `from` passes on is within its account, which is charged for it. To
    /// be asked before [`Validator::recover`].
    pub fn may_recover(&mut self, now_us: u64, from: u16, signed: &SignedRecover) -> bool {
        if from == self.member {
            return true;
        }
        let states = u64::try_from(signed.recover.states.len()).expect("at most 4,096");
        let is_spent = self.accounts.recovers.is_spent(now_us, from);
        if !is_spent {
            self.accounts.recovers.charge(now_us, from, RECOVER_COST + states);
        }
        !is_spent
    }
}

fn count_and_sum(items: impl Iterator<Item = usize>) -> (usize, usize) {
    items.fold((0, 0), |(count, sum), item| (count + 1, sum + item))
}

impl Open {
    /// About how much memory a proposal takes, bytes: what its entries take on the wire.
    pub(super) fn bytes_of(proposal: &Proposal) -> usize {
        const INPUT: usize = 112;
        const OUTPUT: usize = 120;
        const REST: usize = 180;
        let of = |entry: &Entry| {
            let transfer = &entry.signed.transfer;
            let parts = INPUT * transfer.inputs.len() + OUTPUT * transfer.outputs.len();
            REST + parts + transfer.memo.len() + entry.justification.len()
        };
        proposal.entries.iter().map(of).sum()
    }
}
