//! Arguments of the commands that look on.

use clap::Args;
use std::time::Duration;

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// End after so many events [default: at Ctrl-C]
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Only these: batch, transfer, validator; repeatable
    #[arg(long, value_name = "KIND", value_parser = ["batch", "transfer", "validator"])]
    pub kind: Vec<String>,
    /// Begin after the event of this number, as far as the node still has what followed
    #[arg(long, value_name = "NUMBER")]
    pub after: Option<u64>,
}

/// Arguments of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Time between two looks
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = super::parse_time)]
    pub every: Duration,
}
