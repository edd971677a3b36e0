//! What a route is made of: how it is served, and what `/openapi.json` says of it.

use super::schemas::Schemas;
use crate::api::Api;
use axum::routing::MethodRouter;

/// One route: the router and the document are both made of these.
#[derive(Clone, Copy)]
pub(in crate::api) struct Route {
    /// In lower case.
    pub(in crate::api) method: &'static str,
    /// With its parameters in braces.
    pub(in crate::api) path: &'static str,
    /// What it is for.
    pub(in crate::api) summary: &'static str,
    /// What serves it.
    pub(in crate::api) serve: fn() -> MethodRouter<Api>,
    /// Parameters of its query.
    pub(super) query: &'static [Query],
    /// Its body.
    pub(super) body: Option<Body>,
    /// Statuses of successes, each with the forms that it comes in.
    pub(super) answers: &'static [(u16, &'static [Content])],
    /// Statuses of its own problems; those of the gate come to them.
    pub(super) problems: &'static [u16],
}

/// A parameter of a query.
#[derive(Clone, Copy)]
pub(super) enum Query {
    /// `after`: the last id of the page before.
    AfterId,
    /// `after`: the last position of the page before.
    AfterPosition,
    /// `limit`: what is given without it, and the most.
    Limit((usize, usize)),
    /// `wait`: what is done without it.
    Wait(&'static str),
    /// `did`: a further address; may be there several times.
    Did,
}

/// What a body is.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// One transfer, in bytes or in JSON.
    Transfer,
    /// Bytes: what they are, and how many at most.
    Bytes(&'static str, usize),
    /// A file of a user.
    File,
}

/// A form of an answer.
#[derive(Clone, Copy)]
pub(super) enum Content {
    /// A JSON document.
    Json(fn(&mut Schemas) -> String),
    /// Some JSON object.
    Object,
    /// Text of this type.
    Text(&'static str),
    /// Bytes.
    Bytes,
}

impl Route {
    pub(super) const fn new(
        method: &'static str,
        path: &'static str,
        serve: fn() -> MethodRouter<Api>,
    ) -> Self {
        let (summary, query, body, answers, problems) = ("", [].as_slice(), None, &[], &[]);
        Self { method, path, summary, serve, query, body, answers, problems }
    }

    /// Whether its answer has no end.
    #[cfg(test)]
    pub(in crate::api) fn is_stream(&self) -> bool {
        let is_event = |content: &&Content| matches!(content, Content::Text("text/event-stream"));
        self.answers.iter().flat_map(|(_, forms)| *forms).any(|form| is_event(&form))
    }
}
