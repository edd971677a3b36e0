//! `demo`: a testnet explained step by step to somebody who sees Quorate for the first time.
//!
//! The steps themselves are in `demo/steps.rs`. This file starts the testnet, and ends it and
//! removes its folder whatever way the steps end.

mod payment;
mod steps;

use crate::args::DemoArgs;
use crate::control;
use crate::folder::Folder;
use crate::launch::{Launched, Pipe, StopSignals, bury};
use crate::output::{Output, io_failure};
use crate::panel::Panel;
use crate::plan::{DhtPlan, Plan};
use crate::up::{Hold, watch_with_panel};
use node::Failure;
use node::error::{CONFIG, UNREACHABLE};
use serde_json::Value;
use std::io::IsTerminal;
use std::time::Instant;
use steps::Steps;

/// Runs `demo`.
///
/// # Errors
/// Any step fails; everything was stopped.
pub async fn demo(args: &DemoArgs, output: Output) -> Result<(), Failure> {
    let folder = Folder::fresh()?;
    let shown = run(args, output, &folder).await;
    // Both happen whatever the steps did; the first failure is the one to tell.
    let stopped = control::stop(&folder).await.map(drop);
    let removed = match std::fs::remove_dir_all(&folder.dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io_failure(CONFIG, "removing", &folder.dir, &error))
        }
        _ => Ok(()),
    };
    let document = shown?;
    stopped.and(removed)?;
    let farewell = "All seven validators are stopped, and nothing of them is left.";
    output.answer(&document, farewell)
}

async fn run(args: &DemoArgs, output: Output, folder: &Folder) -> Result<Value, Failure> {
    let mut stop = StopSignals::listen()?;
    let hold = Hold::take(folder)?;
    let begin = Instant::now();
    let plan = Plan {
        seed: args.seed,
        dht: DhtPlan { untrusted: args.untrusted, ..DhtPlan::default() },
        ..Plan::default()
    };
    output.say("Quorate: seven validators make payments final together. A tour.\n")?;
    folder.write(&plan, &plan.draw(None)?)?;
    let pipe = Pipe::new()?;
    let Launched { file, mut nodes } = hold.launch(&plan, 0, Some(&pipe), &mut stop).await?;
    let started = begin.elapsed();
    let mut steps = Steps::new(&file, folder, output)?;
    let document = tokio::select! {
        document = steps.all(started) => document?,
        () = stop.received() => {
            let what = "the demo was stopped by a signal before its end";
            return Err(Failure::new(UNREACHABLE, what).help("quorate-testnet demo"));
        }
    };
    if std::io::stdout().is_terminal() && !args.once && !output.is_json {
        let panel = Panel::bind(folder, 0).await?;
        output.say(&steps.invitation(&panel.url()))?;
        // The one that a step has killed is known.
        bury(&mut nodes);
        watch_with_panel(&mut nodes, panel, &mut stop).await?;
    }
    control::stop(folder).await?;
    bury(&mut nodes);
    Ok(document)
}
