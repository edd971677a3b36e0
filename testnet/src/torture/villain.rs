//! What is done to the validators next: a pure function of the seed, so that the same seed chooses
//! the same deeds in the same order, whatever the machine's speed.
//!
//! Any number of validators is crashed, paused, cut off or slow at the same time. None is damaged:
//! after the last deed all of it must end well.

use crate::faults::Slow;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use std::time::Duration;

/// A class of deeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// SIGKILL, and a start a little later.
    Kill,
    /// SIGSTOP, and SIGCONT a little later.
    Pause,
    /// Links that are slow, lose, double and reorder.
    Links,
    /// Parted links.
    Partition,
    /// Syncs that take long; needs strace.
    Disk,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 5] =
        [Class::Kill, Class::Pause, Class::Links, Class::Partition, Class::Disk];
}

/// One deed, and how long it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "deed", rename_all = "snake_case")]
pub enum Deed {
    /// Kill these, and start them again.
    Kill {
        /// Indices.
        victims: Vec<usize>,
        /// How long they are down, ms.
        down_ms: u64,
        /// Kill each once more so long after its start, ms.
        again_ms: Option<u64>,
        /// Check the first one's store while it is down.
        is_verified: bool,
    },
    /// Pause these.
    Pause {
        /// Indices.
        victims: Vec<usize>,
        /// For so long, ms.
        time_ms: u64,
    },
    /// Make the links of one bad.
    Links {
        /// Its index.
        victim: usize,
        /// How bad.
        slow: Slow,
        /// For so long, ms.
        time_ms: u64,
    },
    /// Let nothing pass between these and the others.
    Partition {
        /// Indices of one side.
        side: Vec<usize>,
        /// For so long, ms.
        time_ms: u64,
    },
    /// Make each sync of one take longer.
    Disk {
        /// Its index.
        victim: usize,
        /// By so much, ms.
        sync_ms: u64,
        /// For so long, ms.
        time_ms: u64,
    },
}

/// Who chooses.
pub struct Villain {
    rng: StdRng,
    validators: usize,
    classes: Vec<Class>,
    /// Longest pause between two deeds, ms.
    pause_ms_max: u64,
}

impl Villain {
    /// One that chooses among these classes, at least one.
    pub fn new(seed: u64, validators: usize, classes: Vec<Class>, pause_max: Duration) -> Self {
        assert!(!classes.is_empty(), "a villain without a deed");
        let pause_ms_max = u64::try_from(pause_max.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { rng: StdRng::seed_from_u64(seed), validators, classes, pause_ms_max }
    }

    /// The next deed, and how long after the one before it comes.
    pub fn next_deed(&mut self) -> (Duration, Deed) {
        let pause = Duration::from_millis(self.rng.random_range(0..=self.pause_ms_max));
        let class = self.classes[self.rng.random_range(0..self.classes.len())];
        (pause, self.deed(class))
    }

    fn deed(&mut self, class: Class) -> Deed {
        let victim = self.rng.random_range(0..self.validators);
        let time_ms = self.rng.random_range(200..=4_000);
        match class {
            Class::Kill => Deed::Kill {
                victims: self.victims(),
                down_ms: self.rng.random_range(0..=1_000),
                again_ms: (self.rng.random_range(0..3) == 0)
                    .then(|| self.rng.random_range(0..=250)),
                is_verified: self.rng.random_range(0..8) == 0,
            },
            Class::Pause => Deed::Pause { victims: self.victims(), time_ms },
            Class::Links => Deed::Links { victim, slow: self.slow(), time_ms },
            Class::Partition => Deed::Partition { side: self.victims(), time_ms },
            Class::Disk => Deed::Disk { victim, sync_ms: self.rng.random_range(5..=200), time_ms },
        }
    }

    /// One or two most often, all of them sometimes; in order.
    fn victims(&mut self) -> Vec<usize> {
        let most = match self.rng.random_range(0..10) {
            0..7 => 2,
            7..9 => self.validators.div_ceil(2),
            _ => self.validators,
        };
        let count = self.rng.random_range(1..=most.min(self.validators));
        let mut all: Vec<usize> = (0..self.validators).collect();
        all.shuffle(&mut self.rng);
        all.truncate(count);
        all.sort_unstable();
        all
    }

    fn slow(&mut self) -> Slow {
        Slow {
            delay_ms: self.rng.random_range(0..=100),
            jitter_ms: self.rng.random_range(0..=50),
            lose_per_mille: self.rng.random_range(0..=150),
            duplicate_per_mille: self.rng.random_range(0..=100),
            reorder_per_mille: self.rng.random_range(0..=100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_chooses_the_same_deeds_and_every_class_comes() {
        let villain = |seed| Villain::new(seed, 7, Class::ALL.to_vec(), Duration::from_secs(1));
        let deeds = |seed| {
            let mut villain = villain(seed);
            (0..200).map(|_| villain.next_deed()).collect::<Vec<_>>()
        };
        assert_eq!(deeds(1), deeds(1));
        assert_ne!(deeds(1), deeds(2));
        let found = deeds(1);
        let kinds: BTreeSet<String> =
            found.iter().map(|(_, deed)| format!("{:?}", std::mem::discriminant(deed))).collect();
        assert_eq!(kinds.len(), Class::ALL.len());
        let killed = found.iter().filter_map(|(_, deed)| match deed {
            Deed::Kill { victims, .. } => Some(victims.len()),
            _ => None,
        });
        let sizes: BTreeSet<usize> = killed.collect();
        assert!(sizes.contains(&1) && sizes.iter().any(|size| *size > 5), "{sizes:?}");
    }
}
