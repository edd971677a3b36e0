//! Which rules fired in a run and which refusals honest members produced: every variant of the
//! product's errors has a name here, by a `match` without a wildcard, so that a new one does not
//! compile until it has its place in the list of [`points::ALL`].

pub mod names;
pub mod points;

use consensus::recovery::justify;
use consensus::{Refusal, Verdict};
use ledger::{Canonical, Entry, Justification, Network};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;

/// How often each point was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// A point is reached.
    ///
    /// # Panics
    /// When it is not in the list: the list is how a reader knows what is missing.
    pub fn note(&mut self, point: &'static str) {
        debug_assert!(points::is_known(point), "{point} is not in the list");
        *self.counts.entry(point).or_default() += 1;
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Coverage) {
        for (point, count) in &other.counts {
            *self.counts.entry(point).or_default() += count;
        }
    }

    /// How often a point was reached.
    pub fn of(&self, point: &str) -> u64 {
        self.counts.get(point).copied().unwrap_or(0)
    }

    /// All that was reached.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// A verdict on an entry. What is behind a refused justification is found out once more.
    pub fn verdict(&mut self, verdict: &Verdict, (entry, network): (&Entry, &Network)) {
        match verdict {
            Verdict::Valid => self.note("R2 every input is the signer's tip"),
            Verdict::Unknown(cause) => self.note(names::cause(cause)),
            Verdict::Invalid(refusal) => {
                self.note(names::refusal(refusal));
                if let Refusal::Transfer(error) = refusal {
                    self.note(names::transfer(error));
                }
                if *refusal == Refusal::NotJustified {
                    self.unjustified(entry, network);
                }
            }
        }
    }

    fn unjustified(&mut self, entry: &Entry, network: &Network) {
        let mut rng = StdRng::seed_from_u64(0);
        let id = entry.signed.transfer.id();
        if let Err(error) = justify::check(entry, id, network, &mut rng) {
            self.note(names::unjustified(&error));
        }
        let Ok(found) = Justification::from_bytes(&entry.justification) else { return };
        for receipt in &found.receipts {
            if let Err(error) = receipt.verify(network, &mut rng) {
                self.note(names::receipt(&error));
            }
        }
        for lock in &found.locks {
            if let Err(error) = lock.verify(network, &mut rng) {
                self.note(names::lock_proof(&error));
            }
        }
    }

    /// The proofs in a report that a Byzantine member sends.
    pub fn proofs(&mut self, locks: &[ledger::LockProof], network: &Network) {
        let mut rng = StdRng::seed_from_u64(0);
        for lock in locks {
            if let Err(error) = lock.verify(network, &mut rng) {
                self.note(names::lock_proof(&error));
            }
        }
    }
}
