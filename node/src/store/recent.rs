//! What the newest lines of the applied log spent, kept in memory for the pinner: reading it back
//! from the journal decodes every owner's key, which costs as much as a signature.
//!
//! It is a shortcut and no queue: what is not here is read from the journal.

use super::restore::NOWHERE;
use super::{Store, StoreError};
use consensus::{Applied, Record};
use ledger::{BatchId, TokenState, TransferId};
use parking_lot::Mutex;
use std::collections::VecDeque;

/// States kept, 104 bytes each; the oldest lines go first.
const STATES_MAX: usize = 65_536;

/// Input states with the transfers that spent them.
pub type Spent = Vec<(TokenState, TransferId)>;

/// The newest lines, ascending and without gaps.
#[derive(Default)]
pub struct Recent {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    lines: VecDeque<(u64, Spent)>,
    states: usize,
}

impl Recent {
    /// Notes what a step has applied; its lines begin at `first`. `applied` are the transfers of
    /// the step's `Record::Applied`, in any order.
    pub fn note(&self, first: u64, records: &[Record], applied: &[Applied]) {
        let mut lines: Vec<(BatchId, Spent)> = Vec::new();
        for record in records {
            if let Record::Applied(certified) = record {
                lines.push((certified.certificate.batch, Vec::new()));
            }
        }
        let is_twice = |(batch, _): &(BatchId, Spent)| {
            lines.iter().filter(|(other, _)| other == batch).count() > 1
        };
        if lines.iter().any(is_twice) {
            // Which line has which transfer is told by the journal.
            *self.inner.lock() = Inner::default();
            return;
        }
        for one in applied {
            let line = lines.iter_mut().find(|(batch, _)| *batch == one.batch);
            let inputs = one.change.spent.iter().map(|input| (input.state, one.change.id));
            if let Some((_, spent)) = line {
                spent.extend(inputs);
            }
        }
        let mut inner = self.inner.lock();
        for (line, (_, spent)) in (first..).zip(lines) {
            if inner.lines.back().is_some_and(|(last, _)| last + 1 != line) {
                inner.lines.clear();
                inner.states = 0;
            }
            inner.states += spent.len();
            inner.lines.push_back((line, spent));
        }
        while inner.states > STATES_MAX
            && let Some((_, spent)) = inner.lines.pop_front()
        {
            inner.states -= spent.len();
        }
    }

    /// What a line spent, if it is one of the newest; lines before it are forgotten.
    pub fn take(&self, line: u64) -> Option<Spent> {
        let mut inner = self.inner.lock();
        while let Some((first, _)) = inner.lines.front() {
            if *first > line {
                return None;
            }
            let (first, spent) = inner.lines.pop_front().expect("it is there");
            inner.states = inner.states.saturating_sub(spent.len());
            if first == line {
                return Some(spent);
            }
        }
        None
    }
}

impl Store {
    /// What a line of the applied log spent: each input state with the transfer that spent it.
    /// Empty behind the end of the log.
    ///
    /// # Errors
    /// Every [`StoreError`].
    pub fn spent_by(&self, position: u64) -> Result<Vec<(TokenState, TransferId)>, StoreError> {
        if let Some(spent) = self.recent.take(position) {
            return Ok(spent);
        }
        let Some(line) = self.line_at(position)? else { return Ok(Vec::new()) };
        if line.batch_at == NOWHERE {
            // Before the snapshot that this store began with: others have announced it.
            return Ok(Vec::new());
        }
        let proposal = self.read_batch(line.batch_at)?;
        let applied = proposal.entries.iter().enumerate().filter(|(i, _)| line.bitmap.has(*i));
        let transfers = applied.map(|(_, entry)| &entry.signed.transfer);
        let spent = transfers.flat_map(|transfer| {
            let id = transfer.id();
            transfer.inputs.iter().map(move |input| (input.state, id))
        });
        Ok(spent.collect())
    }
}
