//! What happened in a run: a hash over all of it, FNV-1a of 64 bits, which tells runs apart
//! (nothing rests on it), and on demand the last lines for people.

use std::collections::VecDeque;

/// A rolling hash, and lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    hash: u64,
    lines: VecDeque<String>,
    lines_max: usize,
}

impl Default for Trace {
    fn default() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: VecDeque::new(), lines_max: 0 }
    }
}

impl Trace {
    /// One that keeps the last so many lines.
    pub fn keeping(lines_max: usize) -> Self {
        Self { lines_max, ..Self::default() }
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether lines are kept at all.
    pub fn is_read(&self) -> bool {
        self.lines_max > 0
    }

    /// Adds a line; beyond the bound the oldest goes.
    pub fn line(&mut self, at_us: u64, what: &str) {
        if self.lines_max == 0 {
            return;
        }
        if self.lines.len() >= self.lines_max {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>10.6} {what}", micros(at_us)));
    }

    /// The lines kept, oldest first.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

/// Microseconds as seconds, for people.
fn micros(us: u64) -> f64 {
    std::time::Duration::from_micros(us).as_secs_f64()
}
