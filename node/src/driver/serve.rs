//! Answers to peers' questions, read from the store on the blocking pool: as much as fits one
//! reply.

use crate::handle::Shared;
use crate::transport::ReplyHandle;
use bytes::Bytes;
use consensus::limits::BATCH_BYTES_MAX;
use consensus::message::REQUEST_IDS_MAX;
use consensus::{AppliedBatch, Proposal, Reply, Request, codec};
use ledger::{BatchId, Canonical};
use rand::RngExt;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Lines of the applied log in one reply.
pub(crate) const LINES_PER_REPLY_MAX: usize = 1_024;
/// Bytes of batches in one reply. One batch always fits.
const REPLY_BYTES: usize = BATCH_BYTES_MAX / 4;

/// Questions of one peer that wait or are answered; more are refused.
const QUESTIONS_PER_PEER_MAX: usize = 16;
/// Questions answered at a time, whoever asks: each reads the disk and compresses up to a batch.
const ANSWERING_MAX: usize = 4;

/// Bytes of a question, decoded: the most ids that it may have, and some.
const QUESTION_BYTES_MAX: usize = 32 * REQUEST_IDS_MAX + 64;

/// A question and the way back.
pub(super) struct Question {
    pub from: u16,
    pub bytes: Bytes,
    pub reply: ReplyHandle,
}

/// What may be asked at a time. Who asks and gives up, again and again, takes its own room alone.
pub(super) struct Questions {
    /// `waiting[i]` is member i's.
    waiting: Vec<Arc<Semaphore>>,
    answering: Arc<Semaphore>,
}

impl Questions {
    /// Of a committee of so many.
    pub(super) fn new(members: usize) -> Self {
        let room = |_| Arc::new(Semaphore::new(QUESTIONS_PER_PEER_MAX));
        let waiting = (0..members).map(room).collect();
        Self { waiting, answering: Arc::new(Semaphore::new(ANSWERING_MAX)) }
    }

    /// Answers one question. Dropping the handle is a refusal.
    pub(super) fn answer(&self, shared: &Arc<Shared>, tasks: &mut JoinSet<()>, question: Question) {
        while tasks.try_join_next().is_some() {}
        let Some(waiting) = self.waiting.get(usize::from(question.from)) else { return };
        let Ok(waiting) = waiting.clone().try_acquire_owned() else { return };
        let (shared, answering) = (shared.clone(), self.answering.clone());
        tasks.spawn(async move {
            let turn = answering.acquire_owned().await;
            let turn = turn.expect("the semaphore is never closed");
            let answered = tokio::task::spawn_blocking(move || {
                answer(&shared, question);
                drop((turn, waiting));
            });
            if let Err(error) = answered.await {
                tracing::error!(%error, "a question could not be answered");
            }
        });
    }
}

fn answer(shared: &Arc<Shared>, question: Question) {
    let Question { from, bytes, reply } = question;
    if reply.is_gone() {
        return;
    }
    let claimed = codec::claimed_bytes(&bytes);
    if claimed > QUESTION_BYTES_MAX {
        return shared.blame(from, &format!("a question of {claimed} bytes"));
    }
    match codec::decode::<Request>(&bytes) {
        Ok(request) => {
            let Some(answer) = answer_to(shared, request, || reply.is_gone()) else { return };
            if let Err(error) = reply.send(Bytes::from(answer)) {
                tracing::debug!(member = %shared.name_of(from), %error, "a reply was not taken");
            }
        }
        Err(error) => shared.blame(from, &format!("a question: {error}")),
    }
}

/// The frame of the answer; `None` for a refusal.
fn answer_to(
    shared: &Arc<Shared>,
    request: Request,
    is_gone: impl Fn() -> bool,
) -> Option<Vec<u8>> {
    let store = &shared.store;
    let answer = match request {
        Request::Log { from } => {
            // An empty answer would say that the log ends there.
            let log = store.log(from, LINES_PER_REPLY_MAX).inspect_err(|error| {
                tracing::error!(from, %error, "a peer's question for the applied log");
            });
            Reply::Log { lines: store.line_count(), from: log.ok()? }
        }
        Request::Applied(ids) => {
            let all = |id: &BatchId| {
                let places = in_turn(store.applied_places(id).unwrap_or_default());
                places.into_iter().filter_map(|place| store.place_bytes(place).ok())
            };
            return Some(codec::encode_applied(&fill(&ids, is_gone, all, Vec::len)));
        }
        Request::Transfers(ids) => {
            // Many parents may be in one batch: each batch is read once.
            let places: BTreeSet<_> = ids.iter().filter_map(|id| store.place_of(id)).collect();
            let places: Vec<_> = places.into_iter().collect();
            let one = |place: &_| store.place_bytes(*place).ok();
            return Some(codec::encode_applied(&fill(&places, is_gone, one, Vec::len)));
        }
        Request::Batches(ids) => {
            let bytes = |proposal: &Proposal| proposal.to_bytes().len();
            Reply::Batches(fill(&ids, is_gone, |id| batch(shared, id), bytes))
        }
        Request::Snapshot => Reply::Snapshot(shared.offers.newest(shared)),
        Request::Locks(tokens) => {
            let validator = shared.validator.read();
            let holder = |token| {
                let row = validator.locks().get(token);
                row.and_then(|row| row.locked).map(|held| held.transfer).unwrap_or_default()
            };
            Reply::Locks(tokens.iter().map(holder).collect())
        }
    };
    Some(codec::encode(&answer))
}

/// The places of a batch in the order in which they are told: the newest first, whose certificate
/// says most, then the others from any of them on. Each is as large as the batch, so a reply may
/// hold a few of thousands, and who asks again gets others.
fn in_turn<T>(mut places: Vec<T>) -> Vec<T> {
    places.reverse();
    if places.len() > 2 {
        let by = rand::rng().random_range(0..places.len() - 1);
        places[1..].rotate_left(by);
    }
    places
}

fn batch(shared: &Shared, id: &BatchId) -> Option<Proposal> {
    let open = shared.validator.read().proposal(id).cloned();
    match open {
        Some(proposal) => Some((*proposal).clone()),
        None => {
            let applied: AppliedBatch = shared.store.applied_batch(id).ok().flatten()?;
            Some(applied.proposal)
        }
    }
}

/// Looks up one after the other until the reply is full or nobody waits for it. The first always
/// fits a message; no other is added that would not.
fn fill<K, V, F: IntoIterator<Item = V>>(
    keys: &[K],
    is_gone: impl Fn() -> bool,
    mut find: impl FnMut(&K) -> F,
    bytes_of: impl Fn(&V) -> usize,
) -> Vec<V> {
    let mut found = Vec::new();
    let mut bytes = 0;
    for key in keys {
        if bytes >= REPLY_BYTES || is_gone() {
            break;
        }
        for value in find(key) {
            let more = bytes_of(&value);
            if !found.is_empty() && bytes + more > BATCH_BYTES_MAX {
                return found;
            }
            bytes += more;
            found.push(value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_places_of_a_batch_the_newest_comes_first_and_each_comes_second_some_time() {
        assert!(in_turn(Vec::<usize>::new()).is_empty());
        assert_eq!(in_turn(vec![1, 2]), [2, 1]);
        let mut second = BTreeSet::new();
        for _ in 0..1_000 {
            let mut places = in_turn((0..5).collect::<Vec<usize>>());
            assert_eq!(places[0], 4);
            second.insert(places[1]);
            places.sort_unstable();
            assert_eq!(places, [0, 1, 2, 3, 4]);
        }
        assert_eq!(second, BTreeSet::from([0, 1, 2, 3]));
    }
}
