//! One request to several nodes: the next node is asked when one fails, and also when one is silent
//! for a while, with the first attempt going on. Whoever answers first is heard.
//!
//! What is asked is the same for all of them: a read, or the same signed bytes.

use super::answer::Answer;
use super::connection::{Ask, Lost, Node};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// After this time without an answer the next node is asked, too; it doubles for each further one,
/// so that slow nodes are not asked by everybody at the same time. An answer takes milliseconds.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(1);

/// Attempts, at most one a node.
pub(super) struct Attempts<'a> {
    nodes: &'a [Arc<Node>],
    path: &'a str,
    body: Option<Bytes>,
    deadline: Instant,
    /// How many were begun; the nodes are asked in their order.
    begun: usize,
    /// From when on the next one may begin.
    next_at: Instant,
    patience: Duration,
    under_way: JoinSet<(usize, Result<Answer, Lost>)>,
}

/// Longest time until the next node is asked beside those that are silent; with dozens of nodes,
/// doubling leaves what a clock can count.
const PATIENCE_MAX: Duration = Duration::from_secs(3_600);

impl<'a> Attempts<'a> {
    /// None yet. `waits` is how long an answer may take because that is what is asked for.
    pub(super) fn new(
        nodes: &'a [Arc<Node>],
        (path, body): (&'a str, Option<Bytes>),
        timeout: Duration,
        waits: Duration,
    ) -> Self {
        let now = Instant::now();
        // A short timeout leaves time for three silent nodes.
        let patience = SILENT_AFTER.min(timeout / 4) + waits;
        let (deadline, under_way) = (now + timeout, JoinSet::new());
        Self { nodes, path, body, deadline, begun: 0, next_at: now, patience, under_way }
    }

    /// How many nodes were asked.
    pub(super) fn begun(&self) -> usize {
        self.begun
    }

    /// Asks no further node; those under way are still heard.
    pub(super) fn ask_no_more(&mut self) {
        self.nodes = &self.nodes[..self.begun];
    }

    /// The next outcome and the index of its node; `None` when there is none to come. To be called
    /// again after an outcome that settles nothing. Dropping the attempts gives up the others.
    pub(super) async fn next(&mut self) -> Option<(usize, Result<Answer, Lost>)> {
        loop {
            let is_first = self.begun == 0;
            let may_begin =
                self.begun < self.nodes.len() && (is_first || Instant::now() < self.deadline);
            let is_idle = self.under_way.is_empty();
            if may_begin && (is_idle || Instant::now() >= self.next_at) {
                self.begin();
                continue;
            }
            if is_idle {
                return None;
            }
            tokio::select! {
                biased;
                Some(ended) = self.under_way.join_next() => {
                    // If that settles nothing, there is nothing to wait for.
                    self.next_at = Instant::now();
                    return Some(ended.unwrap_or_else(|error| {
                        std::panic::resume_unwind(error.into_panic())
                    }));
                }
                () = tokio::time::sleep_until(self.next_at.into()), if may_begin => {}
            }
        }
    }

    fn begin(&mut self) {
        let (index, until) = (self.begun, self.deadline);
        let (node, path, body) =
            (self.nodes[index].clone(), self.path.to_string(), self.body.clone());
        self.under_way
            .spawn(async move { (index, node.ask(Ask { path: &path, body }, until).await) });
        self.begun += 1;
        self.next_at = Instant::now() + self.patience;
        self.patience = self.patience.saturating_mul(2).min(PATIENCE_MAX);
    }
}
