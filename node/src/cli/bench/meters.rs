//! What a load costs: CPU time and wire bytes of the validators, and where their transfers' time
//! went, from their own figures.

use crate::cli::context::Context;
use crate::client::Client;
use crate::error::Failure;
use crate::wallet::Process;
use std::collections::BTreeMap;
use std::time::Duration;

/// The histogram of the stages in `/metrics`.
const STAGES: &str = "quorate_stage_seconds_";

/// CPU time and wire bytes of the validators that can be measured.
pub struct Meters {
    processes: Vec<Process>,
    clients: Vec<Client>,
}

/// What the meters show.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// CPU time, µs.
    pub cpu_us: u64,
    /// Bytes sent.
    pub wire_bytes: u64,
    /// Per stage: all transfers' time, seconds, and how many transfers.
    stages: BTreeMap<String, (f64, f64)>,
}

impl Meters {
    /// Of the testnet's validators; none without one.
    ///
    /// # Errors
    /// `usage` for a bad URL.
    pub fn new(context: &Context) -> Result<Self, Failure> {
        let validators = context.testnet().map_or(&[][..], |file| &file.validators);
        let processes = validators.iter().filter_map(|validator| validator.process()).collect();
        let timeout = context.settings.timeout.min(Duration::from_secs(2));
        let client = |url: &String| Client::new([url], timeout);
        let clients = validators.iter().map(|v| client(&v.api)).collect::<Result<_, _>>()?;
        Ok(Self { processes, clients })
    }

    /// All meters now. A validator that is down has used and sent nothing more.
    pub async fn read(&self) -> Reading {
        let mut reading = Reading::default();
        for client in &self.clients {
            if let Ok(found) = client.validators().await {
                let sent = found.validators.iter().map(|row| row.bytes_sent);
                reading.wire_bytes = sent.fold(reading.wire_bytes, u64::saturating_add);
            }
            if let Ok(text) = client.metrics().await {
                add_stages(&text, &mut reading.stages);
            }
        }
        let used = self.processes.iter().filter_map(Process::cpu_us);
        reading.cpu_us = used.fold(0, u64::saturating_add);
        reading
    }
}

impl Reading {
    /// Mean time of a transfer in each stage since `before`, µs, by name.
    pub fn stages_since(&self, before: &Self) -> BTreeMap<String, u64> {
        let mean = |(name, (sum, count)): (&String, &(f64, f64))| {
            let (sum_before, count_before) = before.stages.get(name).copied().unwrap_or_default();
            let (seconds, transfers) = (sum - sum_before, count - count_before);
            let mean = Duration::try_from_secs_f64(seconds / transfers).ok()?;
            Some((name.clone(), u64::try_from(mean.as_micros()).ok()?))
        };
        self.stages.iter().filter_map(mean).collect()
    }
}

/// Adds sums and counts of the stages in a text of metrics.
fn add_stages(text: &str, stages: &mut BTreeMap<String, (f64, f64)>) {
    for line in text.lines().filter_map(|line| line.strip_prefix(STAGES)) {
        let Some((kind, rest)) = line.split_once("{stage=\"") else { continue };
        let Some((name, value)) = rest.split_once("\"} ") else { continue };
        let Ok(value) = value.trim().parse::<f64>() else { continue };
        let (sum, count) = stages.entry(name.to_string()).or_default();
        match kind {
            "sum" => *sum += value,
            "count" => *count += value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_the_means_of_what_came_between_two_readings() {
        let read = |sum: f64, count: u64| {
            let mut reading = Reading::default();
            let text = format!(
                "# TYPE quorate_stage_seconds histogram\n\
                 quorate_stage_seconds_sum{{stage=\"lock\"}} {sum}\n\
                 quorate_stage_seconds_count{{stage=\"lock\"}} {count}\n\
                 quorate_stage_seconds_bucket{{le=\"0.1\",stage=\"lock\"}} 7\n\
                 quorate_stage_seconds_count{{stage=\"admit\"}} 0\n"
            );
            add_stages(&text, &mut reading.stages);
            add_stages(&text, &mut reading.stages);
            reading
        };
        let (before, after) = (read(1.0, 10), read(1.5, 110));
        let expected = BTreeMap::from([("lock".to_string(), 5_000)]);
        assert_eq!(after.stages_since(&before), expected);
        assert_eq!(before.stages_since(&before), BTreeMap::new(), "nothing came between");
    }

    #[test]
    fn they_are_read_from_what_a_node_writes() {
        let metrics = crate::metrics::Metrics::default();
        let report = consensus::TransferReport {
            id: ledger::TransferId::default(),
            outcome: consensus::Outcome::Final,
            round: 0,
            stages: consensus::Stages { admit: 250, total: 2_000, ..Default::default() },
            lock: Vec::new(),
            commit: Vec::new(),
            admitted_us: 0,
        };
        metrics.ended(&report);
        let mut reading = Reading::default();
        add_stages(&metrics.text(), &mut reading.stages);
        let stages = reading.stages_since(&Reading::default());
        assert_eq!((stages["admit"], stages["total"]), (250, 2_000));
    }
}
