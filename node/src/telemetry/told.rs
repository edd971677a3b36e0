//! What the node tells the thread "otel": what happened and when, nothing put together yet.

use axum::extract::MatchedPath;
use axum::http::StatusCode;
use consensus::Stages;
use ledger::{BatchId, Phase, TransferId};
use opentelemetry::trace::{SpanContext, SpanId};
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
    /// A batch is looked at.
    Begun { begun: Box<Begun>, at: Instant },
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

/// What there is to say of a batch that is looked at; nothing of it keeps the batch in memory.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) id: BatchId,
    pub(super) proposer: u16,
    pub(super) transfers: usize,
    /// The highest of its entries.
    pub(super) round: u32,
    /// Whether this node proposes it.
    pub(super) is_own: bool,
    /// Its transfers, when it is own and clients that trace are waiting.
    pub(super) ids: Vec<TransferId>,
}

/// A request that was answered.
#[derive(Debug)]
pub(super) struct Answered {
    /// Its span.
    pub(super) context: SpanContext,
    /// The client's span, where it told one.
    pub(super) parent: Option<SpanId>,
    pub(super) span: Span,
    pub(super) method: &'static str,
    /// The route's template; `None` for a path that is none.
    pub(super) route: Option<MatchedPath>,
    pub(super) status: StatusCode,
    /// What its answer's `x-request-id` says.
    pub(super) id: String,
}
