//! A member's own votes, held by others, show what it has forgotten (protocol §5). A vote leaves
//! only after its lock or accept is durable, and that goes only with the state it is about: so an
//! own vote in a certificate, of which nothing is known here, means a store that was rolled back or
//! lost, or a twin that votes with the same key. Both end the voting.
//!
//! Not seen here: votes that are in no certificate that ever comes this way.

use super::{Mode, Open, Validator};
use crate::message::CheckedCertificate;
use crate::step::Step;
use crate::tips::Place;
use ledger::{Input, Phase};

impl Validator {
    /// The operator has accepted that promises may be forgotten: own votes that are not remembered
    /// end nothing any more.
    pub fn accept_amnesia(&mut self) {
        self.is_amnesia_accepted = true;
    }

    /// Looks for an own vote that is not remembered; its batch is open. If there is one, this
    /// member is silent from now on and the step says so.
    pub(super) fn recall(&mut self, checked: &CheckedCertificate, step: &mut Step) {
        if self.mode == Mode::Silent || self.is_amnesia_accepted {
            return;
        }
        let certificate = checked.certificate();
        let phase = certificate.phase;
        let open = &self.open[&certificate.batch];
        let kept = match phase {
            Phase::Lock => &open.locked,
            Phase::Commit => &open.accepted,
        };
        let is_own = |group: &&ledger::certificate::Group| {
            group.votes.iter().any(|v| v.member == self.member)
        };
        let own = certificate.groups.iter().filter(is_own);
        // Almost always all that it voted for is remembered, and nothing has to be looked up.
        let unknown = own.filter(|group| !kept.covers(&group.bitmap));
        let forgotten = unknown
            .flat_map(|group| group.bitmap.indexes())
            .find(|index| !kept.has(*index) && !self.remembers(open, phase, *index));
        if let Some(index) = forgotten {
            step.forgotten = Some(open.batch.ids()[index]);
            self.mode = Mode::Silent;
        }
    }

    /// Whether what is known here explains an own vote for entry `index`.
    fn remembers(&self, open: &Open, phase: Phase, index: usize) -> bool {
        let entry = &open.batch.entries()[index];
        let transfer = open.batch.ids()[index];
        let is_explained = |input: &Input| match self.tips.place(&input.state) {
            // It was current when the vote was given, and tips never go back.
            Place::Ahead => false,
            // The row has gone with the state.
            Place::Spent { .. } | Place::Nowhere => true,
            Place::Current => self.locks.get(&input.state.token).is_some_and(|row| {
                let held = match phase {
                    Phase::Lock => row.locked,
                    Phase::Commit => row.accepted,
                };
                held.is_some_and(|held| held.transfer == transfer || held.round > entry.round)
            }),
        };
        entry.signed.transfer.inputs.iter().all(is_explained)
    }
}
