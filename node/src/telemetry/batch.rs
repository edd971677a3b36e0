//! One batch as spans. Its trace has the first 16 bytes of the batch's id for its own, so that what
//! the nodes export of it comes together without a word between them: the proposer's span has the
//! next 8 bytes for its id, and is the parent of the others' spans.

use super::on::context;
use super::told::{Begun, Span};
use ledger::{BatchId, Phase};
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, TraceId};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::time::{Instant, SystemTime};

/// Stages of one batch; a repeat has them again, and later ones are left out.
const STAGES_MAX: usize = 64;
/// Clients' requests that a batch is linked to.
const LINKS_MAX: usize = 128;

/// A batch that is looked at.
pub(super) struct OpenBatch {
    pub(super) id: BatchId,
    pub(super) began: Instant,
    /// When it was applied.
    pub(super) applied: Option<Instant>,
    is_own: bool,
    attributes: Vec<KeyValue>,
    links: Vec<Link>,
    stages: Vec<(&'static str, Span)>,
    /// When this node's vote left, of Lock and of Commit.
    voted: [Option<Instant>; 2],
    certified: [bool; 2],
}

/// The span of a batch at its proposer.
pub(super) fn proposers_span(id: &BatchId) -> SpanContext {
    let (trace, span) = ids(id);
    context(trace, span)
}

fn ids(id: &BatchId) -> (TraceId, SpanId) {
    let mut bytes = id.bytes().iter().copied();
    let trace: [u8; 16] = std::array::from_fn(|_| bytes.next().unwrap_or(0));
    let span: [u8; 8] = std::array::from_fn(|_| bytes.next().unwrap_or(0));
    (TraceId::from_bytes(trace), SpanId::from_bytes(span))
}

fn index(phase: Phase) -> usize {
    match phase {
        Phase::Lock => 0,
        Phase::Commit => 1,
    }
}

impl OpenBatch {
    /// A batch that this node has begun to look at.
    pub(super) fn new(begun: &Begun, proposer: &str, began: Instant) -> Self {
        let transfers = i64::try_from(begun.transfers).unwrap_or(i64::MAX);
        let attributes = vec![
            KeyValue::new("quorate.batch", begun.id.to_string()),
            KeyValue::new("quorate.proposer", proposer.to_string()),
            KeyValue::new("quorate.transfers", transfers),
            KeyValue::new("quorate.round", i64::from(begun.round)),
        ];
        Self {
            id: begun.id,
            began,
            applied: None,
            is_own: begun.is_own,
            attributes,
            links: Vec::new(),
            stages: Vec::new(),
            voted: [None; 2],
            certified: [false; 2],
        }
    }

    /// A client's request has brought some of it.
    pub(super) fn link(&mut self, request: SpanContext) {
        let is_known = self.links.iter().any(|link| link.span_context == request);
        if self.links.len() < LINKS_MAX && !is_known {
            self.links.push(Link::with_context(request));
        }
    }

    /// A stage has ended.
    pub(super) fn stage(&mut self, name: &'static str, span: Span) {
        if self.stages.len() < STAGES_MAX {
            self.stages.push((name, span));
        }
    }

    /// This node's vote has left; `span` is that of waiting for the journal. Repeats do not count.
    pub(super) fn voted(&mut self, phase: Phase, span: Span) {
        let name = ["lock_journal_sync", "commit_journal_sync"][index(phase)];
        if self.voted[index(phase)].is_none() {
            self.voted[index(phase)] = Some(span.ended);
            self.stage(name, span);
        }
    }

    /// A certificate was acted upon: the votes were waited for until then. Repeats do not count.
    pub(super) fn certified(&mut self, phase: Phase, span: Span) {
        if std::mem::replace(&mut self.certified[index(phase)], true) {
            return;
        }
        let began = self.voted[index(phase)].unwrap_or(self.began).min(span.began);
        let (votes, act) = [("lock_votes", "accept"), ("commit_votes", "apply")][index(phase)];
        self.stage(votes, Span { began, ended: span.began });
        self.stage(act, span);
    }

    /// Whether anything was told of it but that it is there: it was voted in, or proposed.
    fn is_worth_it(&self) -> bool {
        self.is_own || self.voted.iter().any(Option::is_some) || self.applied.is_some()
    }

    /// The batch's span, then those of its stages.
    pub(super) fn spans(self, clock: &Clock) -> Vec<SpanData> {
        if !self.is_worth_it() {
            return Vec::new();
        }
        let (trace, proposers) = ids(&self.id);
        let own = if self.is_own { proposers } else { SpanId::from(rand::random::<u64>()) };
        let parent = if self.is_own { SpanId::INVALID } else { proposers };
        let ends = self.stages.iter().map(|(_, span)| span.ended).chain(self.applied);
        let ended = ends.max().unwrap_or(self.began).max(self.began);
        let span = Span { began: self.began, ended };
        let mut root = clock.span("batch", context(trace, own), span);
        root.parent_span_id = parent;
        root.parent_span_is_remote = !self.is_own;
        root.attributes = self.attributes;
        let outcome = if self.applied.is_some() { "applied" } else { "open" };
        root.attributes.push(KeyValue::new("quorate.outcome", outcome));
        root.links.links = self.links;
        let mut spans = vec![root];
        for (name, span) in self.stages {
            let id = SpanId::from(rand::random::<u64>());
            let mut stage = clock.span(name, context(trace, id), span);
            stage.parent_span_id = own;
            spans.push(stage);
        }
        spans
    }
}

/// Turns the node's times into those of the world.
pub(super) struct Clock {
    at: Instant,
    is: SystemTime,
    scope: InstrumentationScope,
}

impl Clock {
    /// Of this moment.
    pub(super) fn new() -> Self {
        let scope =
            InstrumentationScope::builder("quorate").with_version(env!("CARGO_PKG_VERSION"));
        Self { at: Instant::now(), is: SystemTime::now(), scope: scope.build() }
    }

    fn time(&self, at: Instant) -> SystemTime {
        match at.checked_duration_since(self.at) {
            Some(later) => self.is + later,
            None => self.is - self.at.duration_since(at),
        }
    }

    /// A span of ours with nothing but its name and times.
    pub(super) fn span(&self, name: &'static str, context: SpanContext, span: Span) -> SpanData {
        SpanData {
            span_context: context,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: self.time(span.began),
            end_time: self.time(span.ended),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: opentelemetry::trace::Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }
}
