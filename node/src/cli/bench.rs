//! `bench load`: sends transfers between testnet accounts and counts what becomes final.
//!
//! Closed loop (`--clients`): each client has one request under way. Open loop (`--rate`): requests
//! go out when they are due, and what goes out late counts from then. A client owns a slice of an
//! account's tokens (its lanes, one for each transfer of a request), moves them to another account
//! and back, and chains each transfer on the state that the one before made, so nothing is looked
//! up while the clock runs. Cost beside the network's: one signature a transfer, on one thread.

mod baseline;
mod lane;
mod latency;
mod load;
mod meters;
mod plan;
mod report;
mod series;

use super::answer::Answer;
use super::args::LoadArgs;
use super::context::Context;
use crate::error::{Failure, THRESHOLD_MISSED, USAGE};
use baseline::Baseline;
use load::{Load, Tally};
use meters::{Meters, Reading};
use plan::Plan;
use report::Report;
use serde_json::json;
use std::time::Duration;

/// `bench load`.
pub async fn load(context: &Context, args: &LoadArgs) -> Result<Answer, Failure> {
    if args.duration.is_zero() {
        let what = "a measurement takes time: --duration is zero; nothing was sent";
        return Err(Failure::new(USAGE, what).help("quorate bench load --duration 10s"));
    }
    // Before anything is sent: a run of minutes must not end in a path that is no file.
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
    let report = args.report.as_deref().map(Report::plan).transpose()?;
    let plan = Plan::new(context, args).await?;
    let meters = Meters::new(context)?;
    let (clients, batch) = (plan.clients.len(), plan.batch);
    context.note(&format!(
        "{clients} clients, {batch} transfers a request, {} tokens a transfer, {} nodes",
        args.tokens_per_transfer, plan.nodes
    ));
    let nodes = plan.nodes;
    let load = Load::start(context, plan, args)?;
    let is_early = load.run(args.warm_up).await;
    load.begin();
    let before = meters.read().await;
    let started = tokio::time::Instant::now();
    if !is_early {
        load.run(args.duration).await;
    }
    let duration = started.elapsed();
    let after = meters.read().await;
    let tally = load.finish().await;
    let figures = Figures { tally, duration, before, after };
    let mut answer = figures.answer(args, clients, batch, nodes);
    if let Some(baseline) = &baseline {
        baseline.compare(&mut answer);
    }
    if let Some(report) = report {
        let seconds = figures.tally.series.clone().whole(duration);
        let file = report.write(&answer.document, &seconds, &figures.tally.latency.curve())?;
        answer.document["report"] = json!(file);
        answer.text.push_str(&format!("plots: {file}\n"));
    }
    let missed = args.rate_min.filter(|wanted| figures.rate() < *wanted);
    match missed {
        Some(wanted) => {
            let what = format!("{} final transfers/s, and {wanted} were wanted", figures.rate());
            Err(Failure::new(THRESHOLD_MISSED, what + "; all that was sent has been told of")
                .help("quorate status")
                .details(answer.document))
        }
        None => Ok(answer),
    }
}

/// All that was measured.
struct Figures {
    tally: Tally,
    duration: Duration,
    before: Reading,
    after: Reading,
}

impl Figures {
    /// Final transfers a second.
    fn rate(&self) -> u64 {
        let ms = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX).max(1);
        self.tally.is_final.saturating_mul(1_000) / ms
    }

    fn answer(&self, args: &LoadArgs, clients: usize, batch: usize, nodes: usize) -> Answer {
        let finals = self.tally.is_final.max(1);
        let cpu = self.after.cpu_us.saturating_sub(self.before.cpu_us) / finals;
        let wire = self.after.wire_bytes.saturating_sub(self.before.wire_bytes) / finals;
        let latency = self.tally.latency.percentiles();
        let stages = self.after.stages_since(&self.before);
        let tally = &self.tally;
        let document = json!({
            "schema": "quorate.bench/1", "ok": true,
            "duration_s": self.duration.as_secs_f64(),
            "submitted": tally.submitted, "final": tally.is_final, "rejected": tally.rejected,
            "unknown": tally.unknown, "refused": tally.refused, "locked": tally.locked,
            "forged": tally.forged,
            "rate_per_s": self.rate(),
            "latency_us": {"p50": latency.p50, "p90": latency.p90, "p99": latency.p99,
                "max": latency.max},
            "tokens_per_transfer": args.tokens_per_transfer,
            "cpu_us_per_transfer": cpu, "wire_bytes_per_transfer": wire,
            "stages_us_mean": stages,
            "clients": clients, "batch": batch, "nodes": nodes, "rate": args.rate,
            "warm_up_s": args.warm_up.as_secs_f64(), "first_error": tally.first_error,
            "first_rejection": tally.first_rejection,
        });
        let mut text = format!(
            "{} final/s: {} final of {} sent in {:.1} s; {} rejected, {} locked, {} unknown, \
             {} refused\nlatency at the client: p50 {} µs, p90 {} µs, p99 {} µs, max {} µs\n\
             a transfer costs {cpu} µs of CPU and {wire} bytes between all validators\n",
            self.rate(),
            tally.is_final,
            tally.submitted,
            self.duration.as_secs_f64(),
            tally.rejected,
            tally.locked,
            tally.unknown,
            tally.refused,
            latency.p50,
            latency.p90,
            latency.p99,
            latency.max
        );
        if !stages.is_empty() {
            let words = stages.iter().map(|(stage, us)| format!("{stage} {us}"));
            let words = words.collect::<Vec<_>>().join(", ");
            text.push_str(&format!("stages at the proposers, mean µs: {words}\n"));
        }
        if let Some(error) = &tally.first_error {
            text.push_str(&format!("first error: {error}\n"));
        }
        if let Some(why) = &tally.first_rejection {
            text.push_str(&format!("first rejection: {why}\n"));
        }
        Answer::new(document, text)
    }
}
