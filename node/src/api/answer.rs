//! Answers: documents, and failures as problem documents (RFC 9457).

use super::request_id::RequestId;
use crate::error::{Code, Failure, NOT_FOUND, OVERLOADED, STORE_FAILED, USAGE};
use crate::store::StoreError;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A failure as an answer.
pub struct Problem(pub Failure);

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let request = RequestId::current();
        let request = request.as_ref().map(RequestId::as_str);
        tracing::error!(request, %error, "the store can't be read");
        let what = format!("this node can't read its store: {error}; nothing was changed");
        let failure = Failure::new(STORE_FAILED, what);
        Self(failure.help("ask another validator").help("quorate store verify --home DIR"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.code.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut problem = self.0.problem();
        if let Some(id) = RequestId::current() {
            problem["request_id"] = id.as_str().into();
        }
        let mut response = bytes(status, "application/problem+json", problem.to_string());
        if self.0.code.slug == OVERLOADED.slug {
            // In whole seconds (RFC 9110, 10.2.3); to the millisecond in the document.
            let ms = self.0.details["retry_after_ms"].as_u64().unwrap_or(1_000);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        response
    }
}

/// A body with its type. Nothing is cached, because everything may change.
pub(super) fn bytes(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<axum::body::Body>,
) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body.into()).into_response()
}

/// A document.
pub(super) fn document(status: StatusCode, document: &impl Serialize) -> Response {
    let text = serde_json::to_vec(document).expect("documents have a JSON form");
    bytes(status, "application/json", text)
}

/// Bytes of an answer with their share of the budget for all such.
struct Held {
    bytes: Vec<u8>,
    /// Only held.
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A long answer, counted in `kib` until its last byte is handed to the system or dropped: who asks
/// and does not read can't fill the memory.
///
/// # Errors
/// `overloaded`: too much waits to be written.
pub(super) fn held(kib: &Arc<Semaphore>, bytes: Vec<u8>) -> Result<Bytes, Failure> {
    let share = u32::try_from(bytes.len() / 1024 + 1).unwrap_or(u32::MAX);
    let share = kib.clone().try_acquire_many_owned(share).map_err(|_| {
        let what = "the node has too many answers that nobody reads; nothing was changed";
        Failure::new(OVERLOADED, what).help("send the same request again in a second")
    })?;
    Ok(Bytes::from_owner(Held { bytes, _share: share }))
}

/// A long document of a success, counted like [`held`].
pub(super) fn held_document(
    kib: &Arc<Semaphore>,
    found: &impl Serialize,
) -> Result<Response, Failure> {
    let text = serde_json::to_vec(found).expect("documents have a JSON form");
    Ok(bytes(StatusCode::OK, "application/json", held(kib, text)?))
}

/// A document of a success.
pub fn ok(found: &impl Serialize) -> Response {
    document(StatusCode::OK, found)
}

/// Nobody knows this.
pub(super) fn not_found(what: impl std::fmt::Display) -> Failure {
    Failure::new(NOT_FOUND, format!("this node knows no {what}"))
}

/// No route has this path.
pub async fn no_such_route(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let failure = Failure::new(NOT_FOUND, format!("the API has no route {path}"));
    Problem(failure.help("GET /openapi.json lists the routes"))
}

/// The route takes other methods: HTTP's own status 405 stands for the slug here.
pub async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let method: String = method.as_str().chars().take(20).collect();
    let code = Code { http: 405, ..USAGE };
    let failure = Failure::new(code, format!("the route {path} takes no {method}"));
    Problem(failure.help("GET /openapi.json lists the routes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::limits::ANSWERS_KIB_MAX;

    #[test]
    fn who_is_refused_for_load_is_told_when_to_come_again() {
        let after = |failure: Failure| {
            let response = Problem(failure).into_response();
            response
                .headers()
                .get(RETRY_AFTER)
                .map(|value| value.to_str().expect("text").to_string())
        };
        let overloaded = || Failure::new(OVERLOADED, "too much");
        let told = overloaded().details(serde_json::json!({"retry_after_ms": 1_001}));
        assert_eq!(after(told).as_deref(), Some("2"));
        assert_eq!(after(overloaded()).as_deref(), Some("1"));
        assert_eq!(after(Failure::new(USAGE, "wrong")), None);
    }

    #[test]
    fn answers_that_nobody_reads_are_bounded_in_bytes() {
        let kib = Arc::new(Semaphore::new(ANSWERS_KIB_MAX));
        let answer = || held(&kib, vec![7; 4 * 1024 * 1024]);
        let mut waiting: Vec<Bytes> = std::iter::from_fn(|| answer().ok()).collect();
        assert_eq!(waiting.len(), ANSWERS_KIB_MAX / 4097);
        assert_eq!(answer().expect_err("full").code.slug, "overloaded");
        // A part of an answer holds all of it, as it does the memory.
        let part = waiting.pop().map(|answer| answer.slice(9..10)).expect("one");
        assert!(answer().is_err());
        drop(part);
        assert!(answer().is_ok());
        drop(waiting);
        assert_eq!(kib.available_permits(), ANSWERS_KIB_MAX);
    }
}
