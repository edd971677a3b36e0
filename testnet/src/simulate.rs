//! `quorate-testnet sim` and `replay`: the simulator's seeds, many on all cores or one with its
//! trace. What a seed does, and what must hold, is in `sim`.

use crate::output::{Output, tell};
use crate::sim::swarm::{self, Summary};
use crate::sim::{self, Failure as Broken};
use clap::Args;
use node::Failure;
use node::error::{USAGE, VERIFICATION_FAILED};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::ops::Range;
use std::process::ExitCode;

/// Seeds between two lines of progress, for each thread.
const SEEDS_PER_LOOK: u64 = 25;
/// Failures that are told one by one; beyond, only how many.
const FAILURES_SHOWN_MAX: usize = 20;
/// Lines of a trace that are kept without `--last`: more than any run has.
const LINES_MAX: usize = 4_000_000;

/// Arguments of `sim`.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// One seed
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// Seeds A..B without B, or A..=B [default: 0..200]
    #[arg(long, value_name = "RANGE", value_parser = parse_seeds)]
    pub seeds: Option<Range<u64>>,
    /// Seeds at once [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The seed
    #[arg(value_name = "N")]
    pub seed: u64,
    /// Tell everything that happens
    #[arg(long)]
    pub trace: bool,
    /// Of the trace only the last N lines
    #[arg(long, value_name = "N", requires = "trace")]
    pub last: Option<usize>,
}

fn parse_seeds(words: &str) -> Result<Range<u64>, String> {
    let wrong = || "seeds are A..B or A..=B, like 1..2000".to_string();
    let (from, to) = words.split_once("..").ok_or_else(wrong)?;
    let number = |word: &str| word.trim().parse::<u64>().map_err(|_| wrong());
    let (from, to) = match to.strip_prefix('=') {
        Some(last) => (number(from)?, number(last)?.checked_add(1).ok_or_else(wrong)?),
        None => (number(from)?, number(to)?),
    };
    if from < to { Ok(from..to) } else { Err("there is no seed in that range".into()) }
}

/// Runs seeds; exit status 9 when one of them breaks an invariant.
///
/// # Errors
/// Standard output is closed.
pub fn sim(args: &SimArgs, output: Output) -> Result<ExitCode, Failure> {
    let seeds = match (args.seed, &args.seeds) {
        (Some(seed), _) => {
            let after = seed.checked_add(1);
            let after = after.ok_or_else(|| Failure::new(USAGE, "seeds end before 2^64 - 1"))?;
            seed..after
        }
        (None, Some(seeds)) => seeds.clone(),
        (None, None) => 0..200,
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or(cores, usize::from);
    let summary = run(seeds.clone(), threads);
    output.answer(&document(&seeds, threads, &summary), &words(&seeds, &summary))?;
    Ok(ExitCode::from(status(summary.failures.is_empty())))
}

fn status(is_held: bool) -> u8 {
    if is_held { 0 } else { VERIFICATION_FAILED.exit }
}

/// All seeds, with progress for who watches a terminal.
fn run(seeds: Range<u64>, threads: usize) -> Summary {
    let is_watched = std::io::stderr().is_terminal();
    let look = SEEDS_PER_LOOK * u64::try_from(threads).expect("at most 1,024");
    let mut all = Summary::default();
    let mut from = seeds.start;
    while from < seeds.end {
        let to = seeds.end.min(from.saturating_add(look));
        let told = |broken: &Broken| tell(&broken.to_string());
        all.merge(swarm::run(from..to, threads, told));
        from = to;
        if is_watched && from < seeds.end {
            let (done, rate) = (from - seeds.start, per_second(&all));
            tell(&format!("{done} seeds, {} failed, {rate:.1} seeds/s", all.failures.len()));
        }
    }
    all
}

fn per_second(summary: &Summary) -> f64 {
    let failed = u32::try_from(summary.failures.len()).unwrap_or(u32::MAX);
    let held = u32::try_from(summary.seeds).unwrap_or(u32::MAX);
    (f64::from(held) + f64::from(failed)) / summary.seconds.max(1e-9)
}

fn document(seeds: &Range<u64>, threads: usize, summary: &Summary) -> Value {
    let failure = |broken: &Broken| {
        json!({
            "seed": broken.seed,
            "invariant": broken.invariant,
            "at_us": broken.at_us,
            "what": broken.what,
            "replay": broken.replay(),
        })
    };
    let machines: BTreeMap<&str, u64> = summary.machines.rows().into_iter().collect();
    let failures = summary.failures.iter().take(FAILURES_SHOWN_MAX).map(failure);
    json!({
        "schema": "quorate.sim/1",
        "ok": summary.failures.is_empty(),
        "seeds": {"from": seeds.start, "to": seeds.end, "held": summary.seeds},
        "threads": threads,
        "seconds": summary.seconds,
        "seeds_per_second": per_second(summary),
        "events": summary.events,
        "virtual_us": summary.virtual_us,
        "finals": summary.finals,
        "machines": machines,
        "coverage": summary.coverage.counts(),
        "failed": summary.failures.len(),
        "failures": failures.collect::<Vec<_>>(),
    })
}

fn words(seeds: &Range<u64>, summary: &Summary) -> String {
    let faults = summary.machines.rows().map(|(name, count)| format!("{count} {name}")).join(", ");
    let (held, failed) = (summary.seeds, summary.failures.len());
    let (seconds, rate) = (summary.seconds, per_second(summary));
    let Range { start, end } = seeds;
    let mut words = format!(
        "seeds {start}..{end}: {held} hold, {failed} fail, in {seconds:.1} s ({rate:.1} seeds/s)\n"
    );
    words.push_str(&format!("{} events, {} transfers final\n", summary.events, summary.finals));
    words.push_str(&faults);
    for broken in summary.failures.iter().take(FAILURES_SHOWN_MAX) {
        words.push_str(&format!("\n{broken}"));
    }
    words
}

/// Runs one seed, exactly as before; with its trace if it is wanted. Exit status 9 when it breaks
/// an invariant.
///
/// # Errors
/// Standard output is closed.
pub fn replay(args: &ReplayArgs, output: Output) -> Result<ExitCode, Failure> {
    let lines_max = if args.trace { args.last.unwrap_or(LINES_MAX) } else { 0 };
    let (result, lines) = sim::replay(args.seed, lines_max);
    let mut document = json!({
        "schema": "quorate.sim-replay/1",
        "ok": result.is_ok(),
        "seed": args.seed,
        "lines": lines,
    });
    let end = match &result {
        Ok(report) => {
            document["trace"] = json!(format!("{:016x}", report.trace));
            document["events"] = json!(report.events);
            document["end_us"] = json!(report.end_us);
            document["finals"] = json!(report.finals);
            format!(
                "seed {} holds: {} events, {} transfers final, trace {:016x}",
                args.seed, report.events, report.finals, report.trace
            )
        }
        Err(broken) => {
            document["invariant"] = json!(broken.invariant);
            document["at_us"] = json!(broken.at_us);
            document["what"] = json!(broken.what);
            broken.to_string()
        }
    };
    let text = lines.iter().map(String::as_str).chain([end.as_str()]).collect::<Vec<_>>();
    output.answer(&document, &text.join("\n"))?;
    Ok(ExitCode::from(status(result.is_ok())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_of_either_kind() {
        assert_eq!(parse_seeds("1..2000"), Ok(1..2000));
        assert_eq!(parse_seeds("0..=9"), Ok(0..10));
        for wrong in ["", "7", "1..", "..5", "5..5", "9..1", "a..b", "1..=18446744073709551615"] {
            assert!(parse_seeds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_seed_that_fails_gives_status_9_and_one_command_that_replays_it() {
        let broken = Broken { seed: 7, at_us: 5, invariant: "kept", what: "less".into() };
        let summary = Summary { failures: vec![broken], seconds: 1.0, ..Summary::default() };
        assert_eq!((status(summary.failures.is_empty()), status(true)), (9, 0));
        let document = document(&(7..8), 1, &summary);
        assert_eq!((&document["ok"], &document["failed"]), (&json!(false), &json!(1)));
        let replay = document["failures"][0]["replay"].as_str().expect("a command");
        assert!(replay.ends_with(" replay 7 --trace"), "{replay}");
        assert!(words(&(7..8), &summary).contains(replay));
    }
}
