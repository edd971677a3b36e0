//! Puts what was told together as spans. It has no clock and sends nothing; all that it keeps has a
//! bound, and what is oldest goes first.

use super::batch::{Clock, OpenBatch, proposers_span};
use super::on::context;
use super::settings::Sampler;
use super::told::{Answered, Span, Told};
use consensus::Stages;
use ledger::{BatchId, Network, TransferId};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Batches that are looked at, some 5 kB each with all their stages.
pub(super) const OPEN_MAX: usize = 1_024;
/// Transfers of clients that trace.
pub(super) const FOLLOWED_MAX: usize = 4_096;
/// A batch that was not applied by then is exported as it stands.
const OPEN_TIME: Duration = Duration::from_secs(30);
/// What comes of a batch after it was applied comes within this time.
const LATE_TIME: Duration = Duration::from_millis(500);

/// What was told and is not a span yet.
pub(super) struct Assembler {
    clock: Clock,
    network: Arc<Network>,
    sampler: Sampler,
    open: BTreeMap<BatchId, OpenBatch>,
    /// Their ids, oldest first.
    order: VecDeque<BatchId>,
    follows: BTreeMap<TransferId, Follow>,
    follow_order: VecDeque<TransferId>,
    /// How many there are, for those who tell of ends.
    followed: Arc<AtomicUsize>,
}

struct Follow {
    request: SpanContext,
    batch: Option<BatchId>,
}

impl Assembler {
    /// With nothing in it.
    pub(super) fn new(network: Arc<Network>, sampler: Sampler, followed: Arc<AtomicUsize>) -> Self {
        Self {
            clock: Clock::new(),
            network,
            sampler,
            open: BTreeMap::new(),
            order: VecDeque::new(),
            follows: BTreeMap::new(),
            follow_order: VecDeque::new(),
            followed,
        }
    }

    /// Takes one thing that was told; spans that are whole by it go to `out`.
    pub(super) fn take(&mut self, told: Told, out: &mut Vec<SpanData>) {
        match told {
            Told::Begun { begun, at } => {
                let id = begun.id;
                let is_taken = self.sampler.takes(proposers_span(&id).trace_id(), None);
                if !is_taken || self.open.contains_key(&id) {
                    return;
                }
                if self.order.len() >= OPEN_MAX {
                    self.close_first(out);
                }
                let member = self.network.committee.member(begun.proposer);
                let name = member.map(|member| member.name.to_string()).unwrap_or_default();
                let mut batch = OpenBatch::new(&begun, &name, at);
                self.link(&mut batch, &begun.ids);
                self.open.insert(id, batch);
                self.order.push_back(id);
            }
            Told::Stage { batch, name, span } => {
                self.open.get_mut(&batch).into_iter().for_each(|open| open.stage(name, span));
            }
            Told::Voted { batch, phase, span } => {
                self.open.get_mut(&batch).into_iter().for_each(|open| open.voted(phase, span));
            }
            Told::Certified { batch, phase, span } => {
                self.open.get_mut(&batch).into_iter().for_each(|open| open.certified(phase, span));
            }
            Told::Applied { batch, at } => {
                if let Some(open) = self.open.get_mut(&batch) {
                    open.applied.get_or_insert(at);
                }
            }
            Told::Followed { id, request } => self.follow(id, request),
            Told::Transfer { id, outcome, stages, began } => {
                if let Some(follow) = self.follows.remove(&id) {
                    self.follow_order.retain(|other| *other != id);
                    self.followed.fetch_sub(1, Ordering::Relaxed);
                    out.extend(self.transfer(id, follow, outcome, &stages, began));
                }
            }
            Told::Request(answered) => out.push(self.request(*answered)),
        }
    }

    /// Batches that nothing comes of any more become spans.
    pub(super) fn tick(&mut self, now: Instant, out: &mut Vec<SpanData>) {
        let is_over = |open: &OpenBatch| match open.applied {
            Some(applied) => now.saturating_duration_since(applied) >= LATE_TIME,
            None => now.saturating_duration_since(open.began) >= OPEN_TIME,
        };
        let over = self.open.iter().filter(|(_, open)| is_over(open)).map(|(id, _)| *id);
        let over: Vec<BatchId> = over.collect();
        self.order.retain(|id| !over.contains(id));
        let over = over.iter().filter_map(|id| self.open.remove(id));
        out.extend(over.flat_map(|open| open.spans(&self.clock)));
    }

    /// All that there is becomes spans: nothing more is told.
    pub(super) fn end(&mut self, out: &mut Vec<SpanData>) {
        while !self.order.is_empty() {
            self.close_first(out);
        }
    }

    fn close_first(&mut self, out: &mut Vec<SpanData>) {
        let first = self.order.pop_front().and_then(|id| self.open.remove(&id));
        out.extend(first.into_iter().flat_map(|open| open.spans(&self.clock)));
    }

    /// Links a batch of this node's to the requests that brought its transfers, and these to it.
    fn link(&mut self, open: &mut OpenBatch, ids: &[TransferId]) {
        for id in ids {
            if let Some(follow) = self.follows.get_mut(id) {
                follow.batch = Some(open.id);
                open.link(follow.request.clone());
            }
        }
    }

    fn follow(&mut self, id: TransferId, request: SpanContext) {
        if self.follows.insert(id, Follow { request, batch: None }).is_some() {
            // The same transfer again: the newer request has it.
            self.followed.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.follow_order.push_back(id);
        if self.follow_order.len() > FOLLOWED_MAX {
            let first = self.follow_order.pop_front().and_then(|id| self.follows.remove(&id));
            self.followed.fetch_sub(usize::from(first.is_some()), Ordering::Relaxed);
        }
    }

    /// A transfer under its client's request, linked to the batch, and its stages under it.
    fn transfer(
        &self,
        id: TransferId,
        follow: Follow,
        outcome: &'static str,
        stages: &Stages,
        began: Instant,
    ) -> Vec<SpanData> {
        let trace = follow.request.trace_id();
        let new = || context(trace, SpanId::from(rand::random::<u64>()));
        let us = Duration::from_micros;
        let span = Span { began, ended: began + us(stages.total) };
        let mut root = self.clock.span("transfer", new(), span);
        root.parent_span_id = follow.request.span_id();
        root.attributes = vec![
            KeyValue::new("quorate.transfer", id.to_string()),
            KeyValue::new("quorate.outcome", outcome),
        ];
        if let Some(batch) = follow.batch {
            root.attributes.push(KeyValue::new("quorate.batch", batch.to_string()));
            root.links.links.push(Link::with_context(proposers_span(&batch)));
        }
        let own = root.span_context.span_id();
        let mut spans = vec![root];
        let mut at = began;
        let known = [
            ("admit", stages.admit),
            ("batch_wait", stages.batch_wait),
            ("lock", stages.lock),
            ("commit", stages.commit),
        ];
        // What is left until the end is the journal's.
        let sum = known.iter().fold(0u64, |sum, (_, time_us)| sum.saturating_add(*time_us));
        let rest = ("commit_journal_sync", stages.total.saturating_sub(sum));
        for (name, time_us) in known.into_iter().chain([rest]).filter(|(_, us)| *us > 0) {
            let ended = (at + us(time_us)).min(span.ended);
            let mut stage = self.clock.span(name, new(), Span { began: at, ended });
            stage.parent_span_id = own;
            spans.push(stage);
            at = ended;
        }
        spans
    }

    fn request(&self, answered: Answered) -> SpanData {
        let Answered { context, parent, span, method, route, status, id } = answered;
        let mut request = self.clock.span("", context, span);
        request.name = match &route {
            Some(route) => format!("{method} {}", route.as_str()).into(),
            None => method.into(),
        };
        request.span_kind = SpanKind::Server;
        request.parent_span_id = parent.unwrap_or(SpanId::INVALID);
        request.parent_span_is_remote = parent.is_some();
        request.attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
            KeyValue::new("quorate.request_id", id),
        ];
        if let Some(route) = route {
            request.attributes.push(KeyValue::new("http.route", route.as_str().to_string()));
        }
        if status.is_server_error() {
            request.status = Status::error("");
        }
        request
    }
}
