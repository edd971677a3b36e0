//! What the program says: one JSON document with `--json`, sentences otherwise, and failures.

use node::error::Code;
use node::{Failure, error};
use serde_json::Value;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Where answers go.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One document on standard output, everything else on standard error.
    pub is_json: bool,
}

impl Output {
    /// The answer: `document` for programs or `text` for people, on standard output.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn answer(self, document: &Value, text: &str) -> Result<(), Failure> {
        if self.is_json { print(&format!("{document:#}")) } else { print(text) }
    }

    /// Words for people on the way to the answer.
    ///
    /// # Errors
    /// The stream is closed.
    pub fn say(self, text: &str) -> Result<(), Failure> {
        if !self.is_json {
            return print(text);
        }
        tell(text);
        Ok(())
    }

    /// Prints a failure and gives its exit code.
    pub fn fail(self, failure: &Failure) -> ExitCode {
        tell(&format!("error: {}", failure.message));
        for help in &failure.help {
            tell(&format!("  next: {help}"));
        }
        if self.is_json {
            // Without standard output the exit code has to do.
            drop(print(&format!("{:#}", failure.document())));
        }
        ExitCode::from(failure.code.exit)
    }
}

/// A line on standard error; when that is closed there is nobody to tell.
pub fn tell(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|error| {
        Failure::new(error::INTERNAL, format!("standard output can't be written: {error}"))
    })
}

/// A failure of the file system, with the path in it.
pub fn io_failure(code: Code, what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(code, format!("{what} {}: {error}", path.display()))
}

/// A code with this exit status, for passing on how a node ended.
pub fn code_of_exit(exit: i32) -> Code {
    let found = error::CODES.iter().find(|code| i32::from(code.exit) == exit);
    found.copied().unwrap_or(error::INTERNAL)
}

/// How `quorate` is called from here: by its name where the shell finds it, by its path where it
/// was built beside this program, else through cargo.
pub fn client_command() -> String {
    let here = std::env::current_exe().ok();
    let folder = here.as_deref().and_then(Path::parent);
    match folder.map(|folder| folder.join("quorate")).filter(|path| path.exists()) {
        Some(_) if is_on_path(folder) => "quorate".into(),
        Some(path) => path.display().to_string(),
        None => "cargo run --release -p node --".into(),
    }
}

fn is_on_path(folder: Option<&Path>) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|entry| folder == Some(entry.as_path()))
}
