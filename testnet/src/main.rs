//! `quorate-testnet`: reads the command line and hands over to the library.

use clap::Parser;
use clap::error::ErrorKind;
use node::Failure;
use node::error::{INTERNAL, USAGE};
use node::node::RunOptions;
use std::process::ExitCode;
use testnet::args::{Command, CommandLine, NodeArgs};
use testnet::control;
use testnet::control::members::{self, Action};
use testnet::faults::switch;
use testnet::output::Output;
use testnet::{demo, dht, init, panel, relay, simulate, torture, up};

#[global_allocator]
static ALLOCATOR: node::Allocator = node::ALLOCATOR;

fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return refuse(&error),
    };
    let output = Output { is_json: line.json };
    match run(line.command, output) {
        Ok(code) => code,
        Err(failure) => output.fail(&failure),
    }
}

/// A wrong command line, or a question about it.
fn refuse(error: &clap::Error) -> ExitCode {
    let is_answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let is_json = std::env::args_os().any(|argument| argument == "--json");
    if is_json && !is_answer {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let failure = Failure::new(USAGE, format!("{message}; nothing was done"));
        return Output { is_json }.fail(&failure.help("quorate-testnet --help"));
    }
    // Without a terminal to print on, the exit code has to do.
    drop(error.print());
    if is_answer { ExitCode::SUCCESS } else { ExitCode::from(USAGE.exit) }
}

fn run(command: Command, output: Output) -> Result<ExitCode, Failure> {
    match command {
        Command::Node(args) => run_node(&args)?,
        Command::DhtPeer(args) => run_dht_peer(&args)?,
        Command::Relay(args) => run_relay(&args)?,
        Command::Cli(args) => {
            let arguments = args.arguments.into_iter();
            return Ok(node::cli::run(std::iter::once("quorate".into()).chain(arguments)));
        }
        Command::Sim(args) => return simulate::sim(&args, output),
        Command::Replay(args) => return simulate::replay(&args, output),
        command => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
            runtime.block_on(run_command(command, output))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn run_node(args: &NodeArgs) -> Result<(), Failure> {
    leave_session(args)?;
    node::cli::run_node(&args.config, RunOptions { stop_with_stdin: args.stop_with_stdin })
}

fn run_dht_peer(args: &NodeArgs) -> Result<(), Failure> {
    leave_session(args)?;
    dht::run(&args.config, args.stop_with_stdin)
}

fn run_relay(args: &NodeArgs) -> Result<(), Failure> {
    leave_session(args)?;
    relay::run(&args.config, args.stop_with_stdin)
}

fn leave_session(args: &NodeArgs) -> Result<(), Failure> {
    if args.own_session {
        match rustix::process::setsid() {
            // The leader of a group is left in it: no terminal's signals reach it there either.
            Ok(_) | Err(rustix::io::Errno::PERM) => {}
            Err(error) => return Err(Failure::new(INTERNAL, format!("no own session: {error}"))),
        }
    }
    Ok(())
}

async fn run_command(command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::demo(&args, output).await,
        Command::Up(args) => up::up(&args, output).await,
        Command::Status(args) => control::status(&args, output).await,
        Command::Down(args) => control::down(&args, output).await,
        Command::Reset(args) => control::reset(&args, output).await,
        Command::Logs(args) => control::logs(&args, output),
        Command::Kill(args) => members::signal(&args, Action::Kill, output).await,
        Command::Pause(args) => members::signal(&args, Action::Pause, output).await,
        Command::Resume(args) => members::signal(&args, Action::Resume, output).await,
        Command::Start(args) => members::start(&args, output).await,
        Command::Slow(args) => switch::slow(&args, output).await,
        Command::Partition(args) => switch::partition(&args, output).await,
        Command::Heal(args) => switch::heal(&args, output).await,
        Command::Panel(args) => panel::panel(&args, output).await,
        Command::Init(args) => init::init(&args, output),
        Command::Torture(args) => torture::torture(&args, output).await,
        Command::Node(_)
        | Command::DhtPeer(_)
        | Command::Relay(_)
        | Command::Cli(_)
        | Command::Sim(_)
        | Command::Replay(_) => {
            unreachable!("roles without this runtime")
        }
    }
}
