//! Who provides these keys? One request a key, because `findprovs` reads only its first argument;
//! some run at a time, their events are merged into one stream, and each find is passed on at once.
//!
//! A miss is complete only if the daemon was connected to somebody when the query began, somebody
//! answered for the key, and the daemon ended its answer in order. Everything else (a dead daemon,
//! a cut stream, the deadline, a look-up that failed) leaves the answer incomplete. So the
//! daemon's own `timeout` option is never used here: when it strikes, Kubo ends the stream as if
//! all were well.

use std::{collections::BTreeSet, sync::Arc};

use futures::{Stream, StreamExt, stream};
use tokio::time::Instant;

use super::{
    answer::Lines,
    client::{Call, Chain, Client},
    event::{ERROR, Event, PROVIDER, REPLY},
    peers,
};
use crate::{
    Completion, ContentId, FindOptions, FindOutcome, Found, IpfsError, KeyAnswer, PeerId, Provider,
    Reporter,
};

/// The most providers of a key that a query may want.
const PROVIDERS_MAX: usize = 20;

/// One thing learnt about one key.
enum News {
    Reply,
    Failure,
    Provider(Provider),
    /// The last: whether the daemon ended in order or has said enough.
    End(Result<(), IpfsError>),
}

/// Answers one query; ends early when nobody waits for it.
pub(super) async fn run(
    client: Arc<Client>,
    chain: Arc<Chain>,
    keys: Vec<ContentId>,
    options: FindOptions,
    mut reporter: Reporter,
) {
    let begin = Instant::now();
    let mut tally = Tally::new(keys.len(), options);
    let work = async {
        // While the look-ups run: what they find need not wait for it.
        let connected = async { peers(&client).await.map(|peers| !peers.is_empty()) };
        tokio::pin!(connected);
        let news = news(&client, &chain, &keys, tally.providers_max);
        tokio::pin!(news);
        while !(tally.is_done() && tally.is_connected.is_some()) {
            tokio::select! {
                result = &mut connected, if tally.is_connected.is_none() => {
                    tally.is_connected = Some(result.unwrap_or(false));
                }
                next = news.next(), if !tally.is_done() => match next {
                    Some((index, news)) => tally.note(index, news, &mut reporter),
                    None => tally.ended = keys.len(),
                },
                () = reporter.gone() => return,
            }
        }
    };
    // The deadline's passing is seen in the answers: keys that have not ended are incomplete.
    let is_late = tokio::time::timeout(options.deadline, work).await.is_err();
    tracing::debug!(query = reporter.id().0, keys = keys.len(), is_late, "query ended");
    let outcome = FindOutcome {
        id: reporter.id(),
        answers: tally.into_answers(),
        is_lagged: false,
        elapsed: begin.elapsed(),
    };
    reporter.end(outcome);
}

struct Tally {
    answers: Vec<KeyAnswer>,
    /// `None` until it is known.
    is_connected: Option<bool>,
    /// Keys of which nothing more comes.
    ended: usize,
    ended_enough: usize,
    providers_max: usize,
    has_warned: bool,
}

impl Tally {
    fn new(count: usize, options: FindOptions) -> Self {
        let ended_enough = match options.completion {
            Completion::Quorum | Completion::All => count,
            Completion::Share(percent) => (count * usize::from(percent.min(100))).div_ceil(100),
        };
        Self {
            answers: vec![KeyAnswer::default(); count],
            is_connected: None,
            ended: 0,
            ended_enough,
            providers_max: options.providers_max.clamp(1, PROVIDERS_MAX),
            has_warned: false,
        }
    }

    fn is_done(&self) -> bool {
        self.ended >= self.ended_enough
    }

    fn note(&mut self, index: usize, news: News, reporter: &mut Reporter) {
        let answer = &mut self.answers[index];
        match news {
            News::Reply => answer.replies = answer.replies.saturating_add(1),
            News::Failure => answer.failures = answer.failures.saturating_add(1),
            News::Provider(provider) => {
                answer.providers.push(provider.clone());
                reporter.found(Found { index, provider });
            }
            News::End(result) => {
                self.ended += 1;
                // Whether the daemon was connected is known at the end only.
                answer.is_complete = result.is_ok();
                if let Err(error) = result
                    && !self.has_warned
                {
                    self.has_warned = true;
                    tracing::warn!(query = reporter.id().0, %error, "look-up by the daemon failed");
                }
            }
        }
    }

    fn into_answers(self) -> Vec<KeyAnswer> {
        let is_connected = self.is_connected.unwrap_or(false);
        let mut answers = self.answers;
        for answer in &mut answers {
            let is_heard = answer.replies > 0 || !answer.providers.is_empty();
            answer.is_complete &= is_connected && is_heard;
        }
        answers
    }
}

/// All keys' news, as they come; as many keys at a time as look-ups may run.
fn news<'a>(
    client: &'a Client,
    chain: &'a Chain,
    keys: &'a [ContentId],
    providers_max: usize,
) -> impl Stream<Item = (usize, News)> + 'a {
    stream::iter(keys.iter().enumerate())
        .map(move |(index, key)| {
            // On the heap, since a look-up must not move while it runs.
            let look_up = LookUp { client, chain, key: *key, providers_max, state: State::New };
            stream::unfold(look_up, LookUp::step).map(move |news| (index, news)).boxed()
        })
        .flatten_unordered(Some(client.lookups_max))
}

struct LookUp<'a> {
    client: &'a Client,
    chain: &'a Chain,
    key: ContentId,
    providers_max: usize,
    state: State<'a>,
}

enum State<'a> {
    New,
    Reading(Box<Reading<'a>>),
    Ended,
}

struct Reading<'a> {
    lines: Lines,
    seen: BTreeSet<PeerId>,
    /// Of the event that is being passed on.
    waiting: Vec<Provider>,
    _permit: tokio::sync::SemaphorePermit<'a>,
}

impl<'a> LookUp<'a> {
    /// The next news. The response is dropped, and so the daemon stopped, as soon as it ends.
    async fn step(mut self) -> Option<(News, Self)> {
        let mut reading = match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => return None,
            State::Reading(reading) => reading,
            State::New => match self.open().await {
                Ok(reading) => Box::new(reading),
                Err(error) => return Some((News::End(Err(error)), self)),
            },
        };
        match reading.next(self.providers_max).await {
            News::End(result) => Some((News::End(result), self)),
            news => {
                self.state = State::Reading(reading);
                Some((news, self))
            }
        }
    }

    async fn open(&self) -> Result<Reading<'a>, IpfsError> {
        let permit = self.client.lookups.acquire().await.map_err(|_| IpfsError::Stopped)?;
        let make =
            |name| Call::new(name).with("arg", self.key).with("num-providers", self.providers_max);
        let lines = self.chain.open(self.client, make).await?.lines();
        Ok(Reading { lines, seen: BTreeSet::new(), waiting: Vec::new(), _permit: permit })
    }
}

impl Reading<'_> {
    async fn next(&mut self, providers_max: usize) -> News {
        loop {
            if self.seen.len() >= providers_max && self.waiting.is_empty() {
                return News::End(Ok(()));
            }
            if let Some(provider) = self.waiting.pop() {
                return News::Provider(provider);
            }
            let event: Event = match self.lines.next().await {
                Ok(Some(event)) => event,
                Ok(None) => return News::End(Ok(())),
                Err(error) => return News::End(Err(error)),
            };
            match event.kind {
                REPLY => return News::Reply,
                ERROR if event.is_about_a_peer() => return News::Failure,
                ERROR => return News::End(Err(event.into_error())),
                PROVIDER => {
                    let room = providers_max - self.seen.len();
                    let new = event.into_providers().filter(|new| self.seen.insert(new.peer));
                    self.waiting = new.take(room).collect();
                    // First come, first out.
                    self.waiting.reverse();
                }
                _ => {}
            }
        }
    }
}
