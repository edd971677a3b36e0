//! The asker's end of a query, and the answerer's. Between them is one bounded channel: the
//! answerer never waits for a slow asker; what does not fit is left out of the stream, marked as
//! lagged, and still counted in the outcome.

use std::time::Duration;

use futures::future::BoxFuture;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use crate::{ContentId, IpfsError};

/// Finds that wait for a slow asker; more are left out of the stream, not of the outcome.
pub const FOUND_WAITING_MAX: usize = 64;

/// Names a query in logs and metrics; unique within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// When a query is done before its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Each key has so many replies that a record stored with the write quorum would have been
    /// seen (q + w > R), or providers enough.
    Quorum,
    /// This share of all replies, in percent (1 to 100), or providers enough for each key.
    Share(u8),
    /// All replies.
    All,
}

/// How one query is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindOptions {
    /// At the latest then the outcome comes, with whatever has arrived.
    pub deadline: Duration,
    /// When it is done earlier.
    pub completion: Completion,
    /// Providers of a key that are enough (1 to 20).
    pub providers_max: usize,
    /// Whether cached answers will do. Checks before a vote say no.
    pub use_cache: bool,
}

/// Somebody who says that it has the content of a key. Nobody has checked that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Who.
    pub peer: PeerId,
    /// Where, as far as the record told.
    pub addresses: Vec<Multiaddr>,
}

/// One provider of one key, as it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index into the query's keys.
    pub index: usize,
    /// Its provider.
    pub provider: Provider,
}

/// What is known of one key at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyAnswer {
    /// Distinct providers, first come first.
    pub providers: Vec<Provider>,
    /// Peers that answered for this key.
    pub replies: u16,
    /// Peers that were asked and did not answer.
    pub failures: u16,
    /// Whether so many answered that "no providers" means something. Not known is not no: an
    /// incomplete answer without providers says nothing.
    pub is_complete: bool,
    /// Whether it came from the cache.
    pub is_cached: bool,
}

/// How a query ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindOutcome {
    /// Which query.
    pub id: QueryId,
    /// `answers[i]` is for key i.
    pub answers: Vec<KeyAnswer>,
    /// Whether finds were left out of the stream because the asker was slow.
    pub is_lagged: bool,
    /// From the call to the end.
    pub elapsed: Duration,
}

impl FindOutcome {
    /// Whether every key's answer is complete.
    pub fn is_complete(&self) -> bool {
        self.answers.iter().all(|answer| answer.is_complete)
    }
}

/// The asker's end. Dropping it ends the query.
#[derive(Debug)]
pub struct Query {
    id: QueryId,
    /// Boxed, because the channel's blocks are there from the start: 10,000 queries hold them.
    found: mpsc::Receiver<Box<Found>>,
    outcome: oneshot::Receiver<Result<FindOutcome, IpfsError>>,
}

/// The answerer's end. Dropping it without an outcome tells the asker that the node has stopped.
#[derive(Debug)]
pub struct Reporter {
    id: QueryId,
    found: mpsc::Sender<Box<Found>>,
    outcome: oneshot::Sender<Result<FindOutcome, IpfsError>>,
    is_lagged: bool,
}

impl Query {
    /// Both ends of a new query.
    pub fn new(id: QueryId) -> (Query, Reporter) {
        let (found_in, found) = mpsc::channel(FOUND_WAITING_MAX);
        let (outcome_in, outcome) = oneshot::channel();
        let reporter = Reporter { id, found: found_in, outcome: outcome_in, is_lagged: false };
        (Query { id, found, outcome }, reporter)
    }

    /// Its name.
    pub fn id(&self) -> QueryId {
        self.id
    }

    /// The next find; `None` once the query has ended.
    pub async fn next(&mut self) -> Option<Found> {
        self.found.recv().await.map(|found| *found)
    }

    /// Waits for the end; finds that were not taken are in the outcome, too.
    ///
    /// # Errors
    /// [`IpfsError::Stopped`] when the node ended first, [`IpfsError::Busy`] when it was refused
    /// after the call.
    pub fn outcome(self) -> BoxFuture<'static, Result<FindOutcome, IpfsError>> {
        Box::pin(async move {
            drop(self.found);
            self.outcome.await.unwrap_or(Err(IpfsError::Stopped))
        })
    }
}

impl Reporter {
    /// The query's name.
    pub fn id(&self) -> QueryId {
        self.id
    }

    /// Whether nobody waits any more.
    pub fn is_gone(&self) -> bool {
        self.outcome.is_closed()
    }

    /// Waits until nobody waits any more.
    pub async fn gone(&mut self) {
        self.outcome.closed().await;
    }

    /// Passes one find on, if there is room.
    pub fn found(&mut self, found: Found) {
        // A closed stream with an open outcome is an asker who only wants the outcome.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.found.try_send(Box::new(found)) {
            self.is_lagged = true;
        }
    }

    /// Ends the query. `outcome.is_lagged` is filled in here.
    pub fn end(self, mut outcome: FindOutcome) {
        outcome.is_lagged = self.is_lagged;
        // The asker may be gone; then nobody wants to know.
        drop(self.outcome.send(Ok(outcome)));
    }

    /// The query was not begun.
    pub fn refuse(self, error: IpfsError) {
        // The asker may be gone; then nobody wants to know.
        drop(self.outcome.send(Err(error)));
    }
}

impl Query {
    /// The keys' count is checked by every implementation in the same way.
    ///
    /// # Errors
    /// [`IpfsError::TooManyKeys`].
    pub fn check_keys(keys: &[ContentId]) -> Result<(), IpfsError> {
        if keys.len() > crate::KEYS_PER_QUERY_MAX {
            return Err(IpfsError::TooManyKeys { count: keys.len() });
        }
        Ok(())
    }
}
