//! What the node tells the thread "otel": what happened and when, nothing put together yet.

use axum::extract::MatchedPath;
use axum::http::{Method, StatusCode};
use consensus::{Batch, Proposal, Stages};
use ledger::{BatchId, Phase, TransferId};
use opentelemetry::trace::{SpanContext, SpanId};
use std::sync::Arc;
use std::time::Instant;

/// When something began and ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Told {
    /// A batch is looked at; `own` when this node proposes it.
    Begun { proposal: Arc<Proposal>, own: Option<Arc<Batch>>, at: Instant },
    /// A stage of a batch has ended.
    Stage { batch: BatchId, name: &'static str, span: Span },
    /// A vote has left; the time is that of waiting for the journal.
    Voted { batch: BatchId, phase: Phase, span: Span },
    /// A certificate has been acted upon.
    Certified { batch: BatchId, phase: Phase, span: Span },
    /// Transfers of a batch were applied.
    Applied { batch: BatchId, at: Instant },
    /// A client that traces has sent a transfer.
    Followed { id: TransferId, request: SpanContext },
    /// A transfer has ended here.
    Transfer { id: TransferId, outcome: &'static str, stages: Stages, began: Instant },
    /// A request was answered.
    Request(Box<Answered>),
}

/// A request that was answered.
#[derive(Debug)]
pub(super) struct Answered {
    /// Its span.
    pub(super) context: SpanContext,
    /// The client's span, where it told one.
    pub(super) parent: Option<SpanId>,
    pub(super) span: Span,
    pub(super) method: Method,
    /// The route's template; `None` for a path that is none.
    pub(super) route: Option<MatchedPath>,
    pub(super) status: StatusCode,
    /// What its answer's `x-request-id` says.
    pub(super) id: String,
}
