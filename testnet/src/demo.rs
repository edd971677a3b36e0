//! `demo`: a testnet explained step by step.

use crate::args::DemoArgs;
use crate::output::Output;
use node::Failure;

/// Runs `demo`.
///
/// # Errors
/// Any step fails; everything was stopped.
pub async fn demo(args: &DemoArgs, output: Output) -> Result<(), Failure> {
    output.say(&format!("{args:?}"))
}
