//! One table for what can go wrong: a slug, the exit status of programs and the HTTP status of the
//! API.

use consensus::verdict::transfer_code;
use consensus::{Outcome, Refusal};
use ledger::TransferError;
use serde_json::{Value, json};

/// The kind of a failure. `code()` is the slug in JSON and problem documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code {
    /// The slug.
    pub slug: &'static str,
    /// Exit status of a program that ends with it.
    pub exit: u8,
    /// HTTP status of an answer with it.
    pub http: u16,
    /// Whether the same request may succeed later.
    pub is_retryable: bool,
}

const fn code(slug: &'static str, exit: u8, http: u16, is_retryable: bool) -> Code {
    Code { slug, exit, http, is_retryable }
}

/// A bug of ours.
pub const INTERNAL: Code = code("internal", 1, 500, false);
/// A wrong command line or request.
pub const USAGE: Code = code("usage", 2, 400, false);
/// A name, token, transfer or account that nobody knows.
pub const NOT_FOUND: Code = code("not_found", 2, 404, false);
/// A request body that is no canonical signed transfer.
pub const MALFORMED: Code = code("malformed", 5, 400, false);
/// A request body above its limit.
pub const TOO_LARGE: Code = code("too_large", 5, 413, false);
/// A Host header that is not this node's.
pub const BAD_HOST: Code = code("bad_host", 2, 421, false);
/// A request that a web page of another origin makes a browser send.
pub const BAD_ORIGIN: Code = code("bad_origin", 2, 403, false);
/// A configuration that can't be used.
pub const CONFIG: Code = code("config", 3, 500, false);
/// A genesis file that can't be used.
pub const GENESIS: Code = code("genesis", 3, 500, false);
/// A key file that can't be used.
pub const KEY_FILE: Code = code("key_file", 3, 500, false);
/// No node answers.
pub const UNREACHABLE: Code = code("unreachable", 4, 502, true);
/// Too little of an asset.
pub const INSUFFICIENT_FUNDS: Code = code("insufficient_funds", 5, 422, false);
/// The node has too much to do.
pub const OVERLOADED: Code = code("overloaded", 5, 429, true);
/// The states' locks are split.
pub const TOKEN_LOCKED: Code = code("token_locked", 6, 409, true);
/// Proposed, and no outcome in time.
pub const OUTCOME_UNKNOWN: Code = code("outcome_unknown", 7, 504, true);
/// Fewer validators than a quorum can be reached; nothing was proposed.
pub const NO_QUORUM: Code = code("no_quorum", 8, 503, true);
/// A bench's threshold was missed.
pub const THRESHOLD_MISSED: Code = code("threshold_missed", 8, 500, false);
/// A proof does not hold.
pub const VERIFICATION_FAILED: Code = code("verification_failed", 9, 422, false);
/// A port, lock or store is in use.
pub const BUSY: Code = code("busy", 10, 503, true);
/// The node's store has failed and it does not vote.
pub const STORE_FAILED: Code = code("store_failed", 8, 503, false);

/// Nobody who could be asked gave the content in time: an unknown id, though it may be known later.
pub const CONTENT_NOT_FOUND: Code = code("content_not_found", 2, 404, true);
/// The content store's quota would be passed; nothing was kept.
pub const STORE_FULL: Code = code("store_full", 5, 507, false);
/// The Kubo daemon in which content lives does not answer: no (IPFS) node is reachable.
pub const DAEMON_UNREACHABLE: Code = code("daemon_unreachable", 4, 502, true);

/// Every code that is not a reason for a rejection, for the book and `help exit-codes`.
pub const CODES: &[Code] = &[
    INTERNAL,
    USAGE,
    NOT_FOUND,
    MALFORMED,
    TOO_LARGE,
    BAD_HOST,
    BAD_ORIGIN,
    CONFIG,
    GENESIS,
    KEY_FILE,
    UNREACHABLE,
    INSUFFICIENT_FUNDS,
    OVERLOADED,
    TOKEN_LOCKED,
    OUTCOME_UNKNOWN,
    NO_QUORUM,
    STORE_FAILED,
    THRESHOLD_MISSED,
    VERIFICATION_FAILED,
    BUSY,
    CONTENT_NOT_FOUND,
    STORE_FULL,
    DAEMON_UNREACHABLE,
];

/// The code of a rejected transfer: exit 5, HTTP 422, the refusal's own slug; a split lock is exit
/// 6.
pub fn rejection(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::LockConflict { .. } | Refusal::RoundTooLow { .. } => TOKEN_LOCKED,
        Refusal::Spent { .. } => code("already_spent", 5, 409, false),
        other => code(other.code(), 5, 422, false),
    }
}

/// The code of a transfer that breaks a rule by itself.
pub fn refused_transfer(error: &TransferError) -> Code {
    code(transfer_code(error), 5, 422, false)
}

/// A failure with its three parts for people: what happened, whether anything was sent or changed,
/// and what to run next.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The kind.
    pub code: Code,
    /// What happened, and whether anything was sent or changed.
    pub message: String,
    /// Commands or steps to take next, most useful first.
    pub help: Vec<String>,
    /// Facts for programs.
    pub details: Value,
}

impl Failure {
    /// A failure without help or details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: Vec::new(), details: json!({}) }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds facts for programs.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// The document `quorate.error/1`.
    pub fn document(&self) -> Value {
        json!({
            "schema": "quorate.error/1",
            "ok": false,
            "error": {
                "code": self.code.slug,
                "exit": self.code.exit,
                "message": self.message,
                "retryable": self.code.is_retryable,
                "help": self.help,
                "details": self.details,
            },
        })
    }

    /// The RFC 9457 problem document of the API.
    pub fn problem(&self) -> Value {
        json!({
            "type": format!("urn:quorate:error:{}", self.code.slug),
            "title": self.code.slug,
            "status": self.code.http,
            "detail": self.message,
            "code": self.code.slug,
            "exit": self.code.exit,
            "retryable": self.code.is_retryable,
            "help": self.help,
            "details": self.details,
        })
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The code of an outcome; `None` for `Final`.
pub fn outcome_code(outcome: &Outcome) -> Option<Code> {
    match outcome {
        Outcome::Final => None,
        Outcome::Rejected(refusal) => Some(rejection(refusal)),
        Outcome::Locked(_) => Some(TOKEN_LOCKED),
        Outcome::Unknown => Some(OUTCOME_UNKNOWN),
    }
}
