//! A run against an earlier one.

use crate::cli::answer::Answer;
use crate::error::{Failure, USAGE};
use serde_json::{Value, json};
use std::path::Path;

/// What is compared: where it stands in the document, and what people call it.
const COMPARED: [(&str, &str); 6] = [
    ("/rate_per_s", "final/s"),
    ("/latency_us/p50", "p50"),
    ("/latency_us/p99", "p99"),
    ("/latency_us/max", "max"),
    ("/cpu_us_per_transfer", "CPU a transfer"),
    ("/wire_bytes_per_transfer", "bytes a transfer"),
];

/// What an earlier `bench load --json` has printed.
pub struct Baseline {
    document: Value,
}

impl Baseline {
    /// Reads it.
    ///
    /// # Errors
    /// `usage` for a file that is not there or holds something else.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |why: String| {
            let what = format!("{} is no baseline: {why}; nothing was sent", path.display());
            Failure::new(USAGE, what).help("quorate bench load --json > FILE.json")
        };
        let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let document: Value =
            serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if document["schema"] != "quorate.bench/1" || document["ok"] != true {
            return Err(wrong("it is not what `bench load --json` prints".into()));
        }
        Ok(Self { document })
    }

    /// Adds how many times as much each figure is as it was; `null` where it was nothing.
    pub fn compare(&self, answer: &mut Answer) {
        let (mut ratios, mut words) = (json!({}), Vec::new());
        for (place, name) in COMPARED {
            let figure = |document: &Value| document.pointer(place).and_then(Value::as_f64);
            let (then, now) = (figure(&self.document), figure(&answer.document));
            let ratio = then.zip(now).filter(|(then, _)| *then > 0.0).map(|(then, now)| now / then);
            ratios[place.trim_start_matches('/').replace('/', "_")] = json!(ratio);
            words.extend(ratio.map(|ratio| format!("{ratio:.2} x {name}")));
        }
        answer.document["baseline"] = ratios;
        answer.text.push_str(&format!("against the baseline: {}\n", words.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rate: u64, p50: u64) -> Value {
        json!({"schema": "quorate.bench/1", "ok": true, "rate_per_s": rate,
            "latency_us": {"p50": p50, "p99": 8, "max": 9},
            "cpu_us_per_transfer": 0, "wire_bytes_per_transfer": 200})
    }

    #[test]
    fn figures_are_ratios_to_the_earlier_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("before.json");
        std::fs::write(&path, run(100, 4).to_string()).expect("written");
        let baseline = Baseline::read(&path).expect("a baseline");
        let mut answer = Answer::new(run(250, 2), "");
        baseline.compare(&mut answer);
        let found = &answer.document["baseline"];
        assert_eq!((&found["rate_per_s"], &found["latency_us_p50"]), (&json!(2.5), &json!(0.5)));
        assert_eq!(found["cpu_us_per_transfer"], Value::Null);
        assert!(answer.text.contains("2.50 x final/s, 0.50 x p50"), "{}", answer.text);
    }

    #[test]
    fn what_is_no_baseline_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("other.json");
        assert!(Baseline::read(&path).is_err(), "not there");
        for text in ["", "{}", "[1]", "{\"schema\":\"quorate.bench/1\",\"ok\":false}"] {
            std::fs::write(&path, text).expect("written");
            let Err(failure) = Baseline::read(&path) else { panic!("taken: {text}") };
            assert_eq!(failure.code.exit, 2);
        }
    }
}
