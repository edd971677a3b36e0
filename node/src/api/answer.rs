//! Answers: documents, and failures as problem documents (RFC 9457).

use crate::error::{Code, Failure, NOT_FOUND, STORE_FAILED, USAGE};
use crate::store::StoreError;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A failure as an answer.
pub(super) struct Problem(pub(super) Failure);

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store can't be read");
        let what = format!("this node can't read its store: {error}; nothing was changed");
        let failure = Failure::new(STORE_FAILED, what);
        Self(failure.help("ask another validator").help("quorate store verify --home DIR"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.code.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let text = self.0.problem().to_string();
        bytes(status, "application/problem+json", text)
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

/// A document of a success.
pub(super) fn ok(found: &impl Serialize) -> Response {
    document(StatusCode::OK, found)
}

/// Nobody knows this.
pub(super) fn not_found(what: impl std::fmt::Display) -> Failure {
    Failure::new(NOT_FOUND, format!("this node knows no {what}"))
}

/// No route has this path.
pub(super) async fn no_such_route(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let failure = Failure::new(NOT_FOUND, format!("the API has no route {path}"));
    Problem(failure.help("GET /openapi.json lists the routes"))
}

/// The route takes other methods: HTTP's own status 405 stands for the slug here.
pub(super) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let method: String = method.as_str().chars().take(20).collect();
    let code = Code { http: 405, ..USAGE };
    let failure = Failure::new(code, format!("the route {path} takes no {method}"));
    Problem(failure.help("GET /openapi.json lists the routes"))
}
