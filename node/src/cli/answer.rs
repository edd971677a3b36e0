//! What a command has to say: a document for programs, a text for people, an exit status.

use super::shown::printable;
use crate::error::Failure;
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// What a command has to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// For programs.
    pub document: Value,
    /// For people.
    pub text: String,
    /// Exit status: 0 but for findings that are answers and bad news at once.
    pub exit: u8,
}

impl Answer {
    /// An answer with exit status 0.
    pub fn new(document: Value, text: impl Into<String>) -> Self {
        Self { document, text: text.into(), exit: 0 }
    }

    /// A text that is its own document, like help.
    pub fn of_text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(json!({"schema": "quorate.text/1", "ok": true, "text": text}), text)
    }

    /// Nothing more: the lines of a stream were the answer.
    pub fn of_stream() -> Self {
        Self { document: Value::Null, text: String::new(), exit: 0 }
    }

    /// The same answer with another exit status.
    #[must_use]
    pub fn exit(self, exit: u8) -> Self {
        Self { exit, ..self }
    }
}

/// Prints the one answer of the program.
pub fn print(is_json: bool, outcome: Result<Answer, Failure>) -> ExitCode {
    let (document, text, exit, is_failed) = match outcome {
        Ok(answer) => (answer.document, answer.text, answer.exit, false),
        Err(failure) => (failure.document(), for_people(&failure), failure.code.exit, true),
    };
    if is_json && !document.is_null() {
        write(&mut std::io::stdout().lock(), &format!("{document}\n"));
    }
    let text = printable(&text);
    if is_failed {
        write(&mut std::io::stderr().lock(), &text);
    } else if !is_json && !text.is_empty() {
        write(&mut std::io::stdout().lock(), &text);
    }
    ExitCode::from(exit)
}

/// A note for people, on standard error; what the program answers is not in it.
pub fn note(text: &str) {
    write(&mut std::io::stderr().lock(), &printable(&format!("{text}\n")));
}

/// A line of a stream, on standard output, at once.
pub fn line(text: &str) {
    write(&mut std::io::stdout().lock(), &format!("{text}\n"));
}

/// What happened, whether anything was sent or changed, and what to run next.
fn for_people(failure: &Failure) -> String {
    let mut text = format!("error: {} [{}]\n", failure.message, failure.code.slug);
    for help in &failure.help {
        text.push_str(&format!("  next: {help}\n"));
    }
    text
}

/// A reader that went away (`quorate … | head`) is no failure of ours.
fn write(out: &mut impl Write, text: &str) {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes()));
    if let Err(error) = written.and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        tracing::warn!(%error, "the answer can't be written");
    }
}
