//! What members write, what their disks do to it, and what they find when they start.

use super::Checks;
use super::kept::Harm;
use crate::sim::store::Found;
use consensus::Record;
use ledger::TransferId;
use node::store::OpenError;

impl Checks {
    /// A member's journal takes a record.
    pub fn wrote(&mut self, member: u16, record: &Record) {
        if self.is_itself(member) {
            self.kept.wrote(member, record.kind(), &record.payload());
        }
    }

    /// A member's journal says how many records are durable.
    pub fn durable(&mut self, member: u16, records: u64) {
        if self.is_itself(member) {
            self.kept.durable(member, records);
        }
    }

    /// A member starts on what its journal shows.
    pub fn replayed(&mut self, now_us: u64, member: u16, found: &Found) {
        if !self.is_itself(member) {
            return;
        }
        if found.silence.is_some() {
            self.silent.learned(member, "a store that is not whole");
        }
        let kept = self.kept.replayed(member, &found.rows, found.silence.as_ref());
        self.note(now_us, kept);
    }

    /// The disk of a member that is down is harmed.
    pub fn harmed(&mut self, member: u16, harm: Harm) {
        self.kept.harmed(member, harm);
        self.harmed.insert(member);
        if harm == Harm::RolledBack {
            self.rolled_back.insert(member);
            if !self.is_strict {
                self.honest.remove(&member);
            }
        }
    }

    /// A member can't start although nothing fails any more.
    pub fn stranded(&mut self, now_us: u64, member: u16, error: &OpenError) {
        let what = format!("member {member} can't start: {error}");
        self.note(now_us, Err(("starts", what)));
    }

    /// A planted bug wipes a member's disk and permits a first start.
    pub fn lost(&mut self, member: u16) {
        self.kept.forget(member);
    }

    /// A member is shown a vote of its own that it knows nothing of: its store was rolled back.
    /// Where the mark of that is not kept, it does not know it after a restart, either.
    pub fn forgot(&mut self, now_us: u64, (member, id): (u16, TransferId), is_kept: bool) {
        if is_kept {
            self.silent.learned(member, "a vote of its own that it does not know");
        }
        if self.honest.contains(&member) && !self.rolled_back.contains(&member) {
            let what = format!("member {member} voted for {id:?} and does not know it");
            self.note(now_us, Err(("remembered", what)));
        }
    }
}
