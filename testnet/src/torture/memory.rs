//! Resident memory of the validators over time: does it stay flat under a constant load?
//!
//! A ledger grows with what it holds, so a slope alone says little; it is told per final transfer,
//! too. A process that was started again begins anew, which the samples show.

use crate::process::Process;
use serde_json::{Value, json};
use std::time::Duration;

/// Samples kept of each validator; beyond them every other one is forgotten.
const SAMPLES_MAX: usize = 512;
/// A process is looked at from this age on: before that it grows to its size.
const AGE: Duration = Duration::from_secs(5);
/// Samples told of each validator.
const TOLD_MAX: usize = 32;

/// One look at one validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    at_ms: u32,
    kib: u32,
}

/// What was seen of all validators.
pub struct Memory {
    names: Vec<String>,
    samples: Vec<Vec<Sample>>,
    /// The process of each validator at the last look, and when it was first seen.
    seen: Vec<Option<(Process, Duration)>>,
    /// Every how many looks one is kept.
    stride: u32,
    looks: u32,
}

impl Memory {
    /// Nothing yet.
    pub fn new(names: Vec<String>) -> Self {
        let samples = names.iter().map(|_| Vec::new()).collect();
        let seen = names.iter().map(|_| None).collect();
        Self { names, samples, seen, stride: 1, looks: 0 }
    }

    /// Looks at the validators that run: `processes[i]` is that of validator `i`.
    pub fn look(&mut self, since: Duration, processes: &[Option<Process>]) {
        self.looks += 1;
        for (seen, process) in self.seen.iter_mut().zip(processes) {
            let is_same = seen.is_some_and(|(known, _)| Some(known) == *process);
            if !is_same {
                *seen = process.map(|process| (process, since));
            }
        }
        if !self.looks.is_multiple_of(self.stride) {
            return;
        }
        let at_ms = u32::try_from(since.as_millis()).unwrap_or(u32::MAX);
        for (samples, seen) in self.samples.iter_mut().zip(&self.seen) {
            let old = seen.filter(|(_, first)| since.saturating_sub(*first) >= AGE);
            if let Some(kib) = old.and_then(|(process, _)| resident_kib(process)) {
                samples.push(Sample { at_ms, kib });
            }
        }
        if self.samples.iter().any(|samples| samples.len() > SAMPLES_MAX) {
            self.stride *= 2;
            for samples in &mut self.samples {
                let mut index = 0u32;
                samples.retain(|_| {
                    index += 1;
                    index.is_multiple_of(2)
                });
            }
        }
    }

    /// For the report. `finals` are the transfers that became final meanwhile.
    pub fn document(&self, finals: u64) -> Value {
        let of = |(name, samples): (&String, &Vec<Sample>)| {
            let slope = slope_kib_per_minute(samples);
            let minutes = samples.last().map_or(0.0, |last| f64::from(last.at_ms) / 60_000.0);
            let finals = f64::from(u32::try_from(finals.max(1)).unwrap_or(u32::MAX));
            let step = samples.len().div_ceil(TOLD_MAX).max(1);
            let told = samples.iter().step_by(step).map(|s| json!([s.at_ms / 1_000, s.kib]));
            json!({
                "name": name,
                "slope_kib_per_minute": rounded(slope),
                "bytes_per_final": rounded(slope * minutes * 1_024.0 / finals),
                "max_kib": samples.iter().map(|sample| sample.kib).max(),
                "is_flat": is_flat(samples),
                "s_and_kib": told.collect::<Vec<_>>(),
            })
        };
        Value::Array(self.names.iter().zip(&self.samples).map(of).collect())
    }

    /// Whether every validator's memory stayed flat.
    pub fn is_flat(&self) -> bool {
        self.samples.iter().all(|samples| is_flat(samples))
    }
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// The last third has on average less than a quarter more than the one before it. The first third
/// is a process warming up.
fn is_flat(samples: &[Sample]) -> bool {
    let third = samples.len() / 3;
    let mean = |samples: &[Sample]| {
        let sum: u64 = samples.iter().map(|sample| u64::from(sample.kib)).sum();
        sum / u64::try_from(samples.len().max(1)).expect("a count")
    };
    third == 0 || mean(&samples[2 * third..]) <= mean(&samples[third..2 * third]) * 5 / 4
}

/// Least squares over all but the first third.
fn slope_kib_per_minute(samples: &[Sample]) -> f64 {
    let samples = &samples[samples.len() / 3..];
    let count = f64::from(u32::try_from(samples.len()).unwrap_or(u32::MAX));
    let minutes = |sample: &Sample| f64::from(sample.at_ms) / 60_000.0;
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count.max(1.0);
    let (x, y) = (mean(&minutes), mean(&|sample| f64::from(sample.kib)));
    let above: f64 = samples.iter().map(|s| (minutes(s) - x) * (f64::from(s.kib) - y)).sum();
    let below: f64 = samples.iter().map(|s| (minutes(s) - x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

/// `VmRSS` of `/proc/PID/status` (proc(5)).
pub fn resident_kib(process: Process) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(kib: impl Iterator<Item = u32>) -> Vec<Sample> {
        (0u32..).zip(kib).map(|(index, kib)| Sample { at_ms: index * 1_000, kib }).collect()
    }

    #[test]
    fn a_leak_is_not_flat_and_has_its_slope() {
        let flat = samples((0..90).map(|index| 50_000 + index % 7));
        assert!(is_flat(&flat) && slope_kib_per_minute(&flat).abs() < 50.0);
        let leak = samples((0..90).map(|index| 1_000 + index * 1_000));
        assert!(!is_flat(&leak));
        assert!((slope_kib_per_minute(&leak) - 60_000.0).abs() < 1.0);
        assert!(is_flat(&[]));
    }

    #[test]
    fn this_process_has_memory_and_long_runs_are_thinned() {
        let own = Process::of(std::process::id()).expect("this process");
        let mut memory = Memory::new(vec!["v0".into(), "v1".into()]);
        for second in 0..2_000 {
            memory.look(Duration::from_secs(second), &[Some(own), None]);
        }
        assert!(memory.samples[0].len() <= SAMPLES_MAX && memory.samples[0].len() > 100);
        assert!(memory.samples[1].is_empty());
        let document = memory.document(10);
        assert!(document[0]["max_kib"].as_u64().is_some_and(|kib| kib > 1_000), "{document}");
        assert!(memory.is_flat());
    }
}
