//! The `quorate` program; see `node::cli`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: node::Allocator = node::ALLOCATOR;

fn main() -> ExitCode {
    node::cli::main()
}
