//! The `quorate` program: reads the command line, does what it says, prints one answer and ends
//! with its exit code. What a command has to say is an [`Answer`] or a [`Failure`]; only this file
//! prints them, so that with `--json` exactly one document reaches standard output.

mod account;
pub mod answer;
pub mod args;
mod asset;
mod bench;
mod content;
pub mod context;
mod doctor;
mod evidence;
mod exit_codes;
mod issue;
mod keys;
mod manual;
mod network;
mod progress;
mod receipt;
mod recover;
mod run;
mod send;
pub mod settings;
mod shortage;
mod shown;
mod signer;
mod store;
mod table;
mod token;
mod top;
mod tracker;
mod transfer;
mod tx;
mod watch;

pub use answer::Answer;
pub use args::CommandLine;
pub use run::{run_node, start_log};
pub use transfer::transfer;

use crate::error::{Failure, INTERNAL, USAGE};
use args::{BenchCommand, Command, ReceiptCommand};
use clap::Parser;
use clap::error::ErrorKind;
use context::Context;
use std::ffi::OsString;
use std::process::ExitCode;

/// The whole program, with this process' arguments.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// The whole program, with these arguments; the first is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let line = match CommandLine::try_parse_from(&arguments) {
        Ok(line) => line,
        Err(error) => return answer::print(wants_json(&arguments), of_clap(&error)),
    };
    let is_json = line.global.json;
    // Of a node its configuration decides.
    let is_node = matches!(line.command, Command::Run(_));
    let prepared = if is_node { Ok(()) } else { crate::core_dumps::switch_off() };
    answer::print(is_json, prepared.and_then(|()| dispatch(line)))
}

fn dispatch(line: CommandLine) -> Result<Answer, Failure> {
    let global = line.global;
    match line.command {
        Command::Run(args) => run::run(&global, &args),
        Command::Keys(command) => keys::keys(&global, &command),
        Command::Address(args) => keys::show(&args.file),
        Command::Store(command) => store::store(&global, &command),
        Command::Completions(args) => Ok(manual::completions(args.shell)),
        Command::Man => manual::man(),
        Command::Help(args) => manual::help(&args.topic),
        command => asking(&Context::new(&global)?, command),
    }
}

/// The commands that look at a network.
fn asking(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Receipt(ReceiptCommand::Verify(args)) => receipt::verify(context, &args),
        Command::Transfer(args) => context.block_on(async {
            match transfer::transfer(context, &args).await {
                Err(failure) => recover::offer(context, failure).await,
                sent => sent,
            }
        }),
        Command::Evidence(command) => evidence::evidence(context, &command),
        Command::Submit(args) => context.block_on(transfer::submit(context, &args)),
        Command::Issue(args) => context.block_on(issue::issue(context, &args)),
        Command::Balance(args) => context.block_on(account::balance(context, &args.account)),
        Command::Tokens(args) => context.block_on(account::tokens(context, &args.account)),
        Command::Tx(command) => context.block_on(tx::tx(context, &command)),
        Command::Token(command) => context.block_on(token::token(context, &command)),
        Command::Bench(BenchCommand::Load(args)) => context.block_on(bench::load(context, &args)),
        Command::Recover(args) => context.block_on(recover::recover(context, &args)),
        Command::Content(command) => context.block_on(content::content(context, &command)),
        Command::Status => context.block_on(network::status(context)),
        Command::Health => context.block_on(network::health(context)),
        Command::Doctor => context.block_on(doctor::doctor(context)),
        Command::Watch(args) => context.block_on(watch::watch(context, &args)),
        Command::Top(args) => context.block_on(top::top(context, &args)),
        Command::Peers => context.block_on(network::peers(context)),
        command => Err(Failure::new(INTERNAL, format!("{command:?} is not a client's command"))),
    }
}

/// Whether `--json` was asked for on a command line that can't be read.
fn wants_json(arguments: &[OsString]) -> bool {
    let flags = arguments.iter().take_while(|argument| *argument != "--");
    let is_set = |value: OsString| !matches!(value.to_str(), Some("" | "0" | "false" | "no" | "n"));
    flags.into_iter().any(|argument| argument == "--json")
        || std::env::var_os("QUORATE_JSON").is_some_and(is_set)
}

/// Help and version are answers; everything else that clap says is a usage error.
fn of_clap(error: &clap::Error) -> Result<Answer, Failure> {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Ok(Answer::of_text(text));
    }
    let text = text.trim();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let (what, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let usage = rest.lines().find(|line| line.starts_with("Usage:")).unwrap_or_default();
    let what = format!("{}; nothing was sent or changed", what.trim().replace('\n', " "));
    let failure = Failure::new(USAGE, what);
    let failure = if usage.is_empty() { failure } else { failure.help(usage) };
    Err(failure.help("quorate --help"))
}

#[cfg(test)]
mod tests;
