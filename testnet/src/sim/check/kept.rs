//! What the journal said is durable is what a restart reads, record by record; nothing is read that
//! was not written. Less is damage, and damage is noticed; where nobody harmed the disk there is
//! none.

use super::Broken;
use crate::sim::trace::Trace;
use node::store::Silence;
use std::collections::BTreeMap;

/// What is read at a restart: kind and payload of each record.
pub type Rows<'a> = &'a [(u8, Vec<u8>)];

/// What somebody did to a stopped member's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Bits or sectors are other than they were.
    Changed,
    /// Everything is gone.
    Lost,
    /// It is as it was some time ago.
    RolledBack,
}

impl Harm {
    /// Every kind.
    pub const ALL: [Harm; 3] = [Harm::Changed, Harm::Lost, Harm::RolledBack];
}

/// The records of one member, by hash, and how many of them it was told are durable.
#[derive(Debug, Default)]
struct Log {
    written: Vec<u64>,
    durable: usize,
    /// Not yet met by a start.
    harm: Option<Harm>,
    /// At any time.
    was_harmed: bool,
}

/// The records of all members.
#[derive(Debug, Default)]
pub struct Kept {
    logs: BTreeMap<u16, Log>,
}

fn hash(kind: u8, payload: &[u8]) -> u64 {
    let mut trace = Trace::default();
    trace.add(&[kind]);
    trace.add(payload);
    trace.hash()
}

impl Kept {
    /// A member's journal takes a record.
    pub fn wrote(&mut self, member: u16, kind: u8, payload: &[u8]) {
        self.logs.entry(member).or_default().written.push(hash(kind, payload));
    }

    /// A member's journal says that so many records are durable.
    pub fn durable(&mut self, member: u16, records: u64) {
        let log = self.logs.entry(member).or_default();
        log.durable = log.durable.max(usize::try_from(records).unwrap_or(usize::MAX));
    }

    /// A stopped member's disk is harmed.
    pub fn harmed(&mut self, member: u16, harm: Harm) {
        let log = self.logs.entry(member).or_default();
        (log.harm, log.was_harmed) = (Some(harm), true);
    }

    /// A member's records do not count any more.
    pub fn forget(&mut self, member: u16) {
        self.logs.remove(&member);
    }

    /// A member has started on these records; `noticed` is what it knows to be missing.
    ///
    /// # Errors
    /// When a durable record is not there and the member does not know it, when one is there that
    /// was not written, and when it takes a whole journal for damaged.
    pub fn replayed(
        &mut self,
        member: u16,
        rows: Rows<'_>,
        noticed: Option<&Silence>,
    ) -> Result<(), Broken> {
        let log = self.logs.entry(member).or_default();
        let broken = |what: String| Err(("kept", format!("member {member} {what}")));
        let harm = log.harm.take();
        if let Some(silence) = noticed.filter(|_| !log.was_harmed) {
            return broken(format!("takes a whole journal for damaged: {silence:?}"));
        }
        let is_noticed = noticed.is_some();
        let read: Vec<u64> = rows.iter().map(|(kind, payload)| hash(*kind, payload)).collect();
        let (count, durable) = (read.len(), log.durable);
        let is_older = harm == Some(Harm::RolledBack);
        if !is_older && !log.written.starts_with(&read) {
            return broken(format!("reads {count} records, not all of which it wrote"));
        }
        log.written = read;
        log.durable = count;
        if count < durable && !is_noticed && !is_older {
            return broken(format!("reads {count} records and had {durable} durable"));
        }
        if harm == Some(Harm::Lost) && !is_noticed {
            return broken("has lost its store and does not know it".into());
        }
        Ok(())
    }
}
