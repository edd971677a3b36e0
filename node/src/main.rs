//! The `quorate` program; see `node::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    node::cli::main()
}
