//! Errors in documents, and problem documents turned back into the failures they came from.

use crate::error::{CODES, Code, Failure, INTERNAL};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The slugs of refusals, whose codes are not in [`CODES`]: they are exit 5.
const REFUSALS: &[&str] = &[
    "other_network",
    "other_epoch",
    "empty_transfer",
    "too_many",
    "duplicate_input",
    "zero_output",
    "bad_move",
    "unbalanced",
    "indivisible",
    "reserved_name",
    "bad_definition",
    "bad_signature",
    "not_owner",
    "wrong_value",
    "no_such_token",
    "already_spent",
    "not_justified",
];

/// A failure inside a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// The slug.
    pub code: String,
    /// Exit status of a program that ends with it.
    pub exit: u8,
    /// For people.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What to do next.
    #[serde(default)]
    #[schema(required)]
    pub help: Vec<String>,
    /// Facts for programs.
    #[serde(default)]
    #[schema(required)]
    pub details: Value,
}

impl ErrorBody {
    /// The failure as it stands in documents.
    pub fn of(failure: &Failure) -> Self {
        Self {
            code: failure.code.slug.into(),
            exit: failure.code.exit,
            message: failure.message.clone(),
            retryable: failure.code.is_retryable,
            help: failure.help.clone(),
            details: failure.details.clone(),
        }
    }

    /// The failure that it came from. `http` is the status that it came with. A slug of a newer
    /// version is kept in `details.code`.
    pub fn failure(self, http: u16) -> Failure {
        let known = CODES.iter().map(|code| code.slug).chain(REFUSALS.iter().copied());
        let mut details = self.details;
        let slug = known.into_iter().find(|slug| *slug == self.code).unwrap_or_else(|| {
            if let Value::Object(details) = &mut details {
                details.insert("code".into(), Value::String(self.code.clone()));
            }
            INTERNAL.slug
        });
        let code = Code { slug, exit: self.exit, http, is_retryable: self.retryable };
        Failure { code, message: self.message, help: self.help, details }
    }
}

/// A problem document (RFC 9457) of a node; [`Failure::problem`] writes it.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct ProblemDocument {
    /// `urn:quorate:error:` and the code.
    #[serde(rename = "type", default)]
    #[schema(required)]
    pub kind: String,
    /// The code.
    #[serde(default)]
    #[schema(required)]
    pub title: String,
    /// The answer's status.
    #[serde(default)]
    #[schema(required)]
    pub status: u16,
    /// For people.
    pub detail: String,
    /// The slug.
    pub code: String,
    /// Exit status of a program that ends with it.
    pub exit: u8,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What to do next.
    #[serde(default)]
    #[schema(required)]
    pub help: Vec<String>,
    /// Facts for programs.
    #[serde(default)]
    #[schema(required)]
    pub details: Value,
    /// What the answer's `x-request-id` says, too.
    #[serde(default)]
    pub request_id: Option<String>,
}

/// The failure in a problem document (RFC 9457) of a node; `None` when the text is none.
pub fn failure_of_problem(text: &[u8], http: u16) -> Option<Failure> {
    let problem: ProblemDocument = serde_json::from_slice(text).ok()?;
    let body = ErrorBody {
        code: problem.code,
        exit: problem.exit,
        message: problem.detail,
        retryable: problem.retryable,
        help: problem.help,
        details: problem.details,
    };
    Some(body.failure(http))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{TOKEN_LOCKED, refused_transfer};
    use ledger::TransferError;

    #[test]
    fn a_problem_document_becomes_the_failure_it_came_from() {
        let details = serde_json::json!({"held_by": "ab"});
        let locked = Failure::new(TOKEN_LOCKED, "it is locked").help("wait").details(details);
        let refused = Failure::new(refused_transfer(&TransferError::BadSignature), "no");
        for failure in CODES.iter().map(|code| Failure::new(*code, "x")).chain([locked, refused]) {
            let text = failure.problem().to_string();
            let back = failure_of_problem(text.as_bytes(), failure.code.http);
            assert_eq!(back, Some(failure));
        }
        assert_eq!(failure_of_problem(b"<html>", 500), None);
    }

    #[test]
    fn the_book_has_every_reason_for_a_rejection() {
        let book = include_str!("../../book/src/codes.md");
        for slug in REFUSALS {
            assert!(book.contains(&format!("\n| `{slug}` | ")), "{slug}");
        }
    }

    #[test]
    fn a_slug_of_a_newer_version_keeps_its_exit_status() {
        let text = r#"{"detail":"x","code":"new_one","exit":5,"retryable":false,"details":{}}"#;
        let failure = failure_of_problem(text.as_bytes(), 422).expect("a problem");
        assert_eq!((failure.code.slug, failure.code.exit), ("internal", 5));
        assert_eq!(failure.details["code"], "new_one");
    }
}
