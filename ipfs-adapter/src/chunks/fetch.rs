//! One block from whichever peer gives it: first, second, next, again.
//!
//! ```text
//!  try 1 ── peer A ──(slow)──▶ peer A and B, first answer counts ──(failed)──▶ peer C … none left
//!    └─ chunk timeout or none left ─▶ backoff ─▶ try 2 …
//! ```

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use libp2p::PeerId;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::{
    BlockSource, ChunkConfig,
    schedule::{Ending, Request, SECOND_DELAY_MIN, Schedule},
};
use crate::{Content, ContentId, FetchError, blockstore::size_of};

/// Before the second try; doubles with each. Half of it is chance, so that chunks that failed
/// together are not tried together.
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
/// No wait is longer.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Gets single blocks for one file; shared by all that are under way.
pub(crate) struct Fetcher<'a> {
    source: &'a dyn BlockSource,
    config: ChunkConfig,
    schedule: &'a Mutex<Schedule>,
    counts: &'a Mutex<Counts>,
}

/// What the report needs and the schedule does not know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) retries: u64,
    pub(crate) second_requests: u64,
}

/// Why no peer gave a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) tries: u32,
    /// What went wrong last; [`FetchError::Closed`] ends the tries at once.
    pub(crate) last: FetchError,
}

impl<'a> Fetcher<'a> {
    pub(crate) fn new(
        source: &'a dyn BlockSource,
        config: ChunkConfig,
        schedule: &'a Mutex<Schedule>,
        counts: &'a Mutex<Counts>,
    ) -> Self {
        Self { source, config, schedule, counts }
    }

    /// The block, its id compared.
    pub(crate) async fn fetch(&self, id: ContentId) -> Result<Content, Failure> {
        let mut last = FetchError::Unreachable;
        let tries = self.config.retries() + 1;
        for tried in 0..tries {
            if tried > 0 {
                self.counts.lock().retries += 1;
                sleep(backoff(tried)).await;
            }
            match timeout(self.config.chunk_timeout(), self.round(id)).await {
                Ok(Ok(content)) => return Ok(content),
                Ok(Err(FetchError::Closed)) => {
                    return Err(Failure { tries: tried + 1, last: FetchError::Closed });
                }
                Ok(Err(error)) => last = error,
                Err(_elapsed) => last = late(self.config.chunk_timeout()),
            }
            tracing::debug!(%id, tried, error = %last, "no peer gave a chunk");
        }
        Err(Failure { tries, last })
    }

    /// Each peer once, one after the other, a second one beside one that is slow.
    async fn round(&self, id: ContentId) -> Result<Content, FetchError> {
        let mut asked = BTreeSet::new();
        let mut running = FuturesUnordered::new();
        let mut first: Option<(PeerId, Instant)> = None;
        let mut last = FetchError::Unreachable;
        let is_sequential = self.config.retrievals() == 1;
        loop {
            if running.is_empty() {
                let now = Instant::now();
                let chosen = self.schedule.lock().choose(&asked, now);
                let Some(peer) = chosen else { return Err(last) };
                asked.insert(peer);
                first = Some((peer, now));
                running.push(self.ask(peer, id));
            }
            let may_second = !is_sequential && running.len() == 1 && first.is_some();
            tokio::select! {
                Some(answer) = running.next() => match answer {
                    Ok(content) => return Ok(content),
                    Err(FetchError::Closed) => return Err(FetchError::Closed),
                    Err(error) => last = error,
                },
                // Looked at again and again: how slow is slow is learned meanwhile.
                () = sleep(SECOND_DELAY_MIN), if may_second => {
                    if let Some(second) = self.second(first, &asked) {
                        asked.insert(second);
                        first = None;
                        self.counts.lock().second_requests += 1;
                        running.push(self.ask(second, id));
                    }
                }
            }
        }
    }

    /// Whom to ask as well, once the first has taken too long.
    fn second(&self, first: Option<(PeerId, Instant)>, asked: &BTreeSet<PeerId>) -> Option<PeerId> {
        let (peer, since) = first?;
        let now = Instant::now();
        let schedule = self.schedule.lock();
        let is_slow = now.duration_since(since) >= schedule.second_delay(peer);
        if is_slow { schedule.choose_second(asked, now) } else { None }
    }

    /// One request; what became of it is told to the schedule, also when it is dropped.
    async fn ask(&self, peer: PeerId, id: ContentId) -> Result<Content, FetchError> {
        let request = self.schedule.lock().start(peer, Instant::now());
        let mut asking = Asking { schedule: self.schedule, request, ending: Ending::Dropped };
        let deadline = self.config.peer_timeout();
        let answer = match timeout(deadline, self.source.fetch(peer, id, deadline)).await {
            Ok(Ok(content)) if content.id() == id => Ok(content),
            Ok(Ok(_another)) => Err(FetchError::Corrupt),
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => Err(late(deadline)),
        };
        asking.ending = match &answer {
            Ok(content) => Ending::Chunk { bytes: size_of(content.bytes()) },
            Err(error) => Ending::Failed(*error),
        };
        if let Err(error) = answer {
            tracing::debug!(%peer, %id, %error, "a peer did not give a chunk");
        }
        answer
    }
}

/// A request under way; ends in the schedule when it goes.
struct Asking<'a> {
    schedule: &'a Mutex<Schedule>,
    request: Request,
    ending: Ending,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.schedule.lock().end(self.request, self.ending, Instant::now());
    }
}

fn late(deadline: Duration) -> FetchError {
    FetchError::Timeout { after_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX) }
}

fn backoff(tried: u32) -> Duration {
    let longest = BACKOFF_FIRST.saturating_mul(1 << tried.min(16).saturating_sub(1));
    longest.min(BACKOFF_MAX).mul_f64(rand::random_range(0.5..1.0))
}
