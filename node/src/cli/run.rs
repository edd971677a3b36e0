//! `run`: the node, in the foreground.

use super::answer::Answer;
use super::args::{Global, RunArgs};
use crate::config::{Config, LogConfig};
use crate::error::{CONFIG, Failure, USAGE};
use crate::node::RunOptions;
use serde_json::json;
use std::io::IsTerminal;
use std::path::Path;
use tracing_subscriber::EnvFilter;

/// `run --config node.toml`.
pub fn run(global: &Global, args: &RunArgs) -> Result<Answer, Failure> {
    let Some(path) = &global.config else {
        let what = "the node needs its configuration file; nothing was started";
        return Err(Failure::new(USAGE, what).help("quorate run --config node.toml").help(
            "quorate-testnet init -n 7 --out DIR   writes configurations, genesis and keys",
        ));
    };
    run_node(path, RunOptions { stop_with_stdin: args.stop_with_stdin })?;
    let document = json!({"schema": "quorate.run/1", "ok": true, "stopped": true});
    Ok(Answer::new(document, ""))
}

/// Runs the node of a configuration file on this thread until it is told to stop; logs go to
/// standard error.
///
/// # Errors
/// A [`Failure`] whose code gives the exit status.
pub fn run_node(config: &Path, options: RunOptions) -> Result<(), Failure> {
    match Config::load(config)? {
        Config::Validator(config) => {
            start_log(&config.log)?;
            if !config.core_dumps {
                crate::core_dumps::switch_off()?;
            }
            crate::node::run(*config, options)
        }
        Config::Wallet(config) => {
            start_log(&config.log)?;
            crate::hosting::run(*config, options)
        }
    }
}

/// Logs go to standard error from now on. A log that was set up before stays.
///
/// # Errors
/// A [`Failure`] of code `config`: the level is none.
pub fn start_log(config: &LogConfig) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.level).map_err(|error| {
        let what = format!("log.level {:?}: {error}; the node was not started", config.level);
        Failure::new(CONFIG, what).help("use error, warn, info, debug or trace")
    })?;
    // A log that can't be written, as on a full disk, must not end the node: to tell that on
    // standard error, which is the log, would be a panic.
    let builder = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match config.format.as_str() {
        "json" => builder.json().try_init(),
        _ => builder.try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was set up before");
    }
    Ok(())
}
