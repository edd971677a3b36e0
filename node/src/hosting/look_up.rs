//! Looking up: what has become of states that are live here, as far as is known, and that not every
//! list names? A validator's history of the token names the transfers that moved it on; their
//! receipts are fetched and received from the known head upwards, as many links at a time as fit.
//!
//! A history is a hint: only receipts move anything. So several validators are asked, one after the
//! other, each for a bounded time, and another one first in each drain.

use super::Hosting;
use super::fetch::{Then, fetch};
use super::gap::{PENDING_MAX, fill, present};
use crate::view::HistoryDocument;
use ledger::{TokenId, TokenState, TransferId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// Tokens whose history is asked for in one drain; more wait for the next.
const LOOK_UPS_MAX: usize = 4_096;
/// Histories that one validator is asked for at the same time.
const AT_ONCE: usize = 16;
/// Transfers that one validator may name as their spenders in one drain.
const SPENDERS_MAX: usize = 16_384;
/// Links of one token that are walked in one drain; a longer way is walked by several.
const STEPS_MAX: usize = 1_024;
/// How long one validator is asked for histories; then the next one is.
const LOOK_UP_TIME_MAX: Duration = Duration::from_secs(5);

/// The states to look up: live ones that `named` does not have for all of `lists` lists. What no
/// list names comes first, then what lies after `from`, so that the rest has its turn, too.
pub(super) fn doubtful(
    live: impl Iterator<Item = TokenState>,
    named: impl Fn(&TokenState) -> usize,
    lists: usize,
    from: TokenId,
) -> Vec<TokenState> {
    let of = |state: TokenState| (named(&state), state);
    let mut all: Vec<(usize, TokenState)> =
        live.map(of).filter(|(count, _)| *count < lists).collect();
    all.sort_by_key(|(count, state)| (*count > 0, state.token <= from, state.token));
    all.truncate(LOOK_UPS_MAX);
    all.into_iter().map(|(_, state)| state).collect()
}

/// Asks for what has spent these states, and receives it; how many receipts were received.
pub(super) async fn look_up(
    hosting: &Arc<Hosting>,
    heads: Vec<TokenState>,
    until: Instant,
) -> usize {
    let mut open: BTreeMap<TokenId, TokenState> =
        heads.into_iter().map(|state| (state.token, state)).collect();
    let sources = hosting.sources.len();
    let drains = usize::try_from(hosting.drains.load(Ordering::SeqCst)).unwrap_or_default();
    let (mut received, mut answered) = (0, 0);
    for step in 0..sources {
        // As many as hold an honest one have been asked: nothing is known there.
        if open.is_empty() || Instant::now() >= until || answered >= hosting.lists_needed() {
            break;
        }
        let index = (drains + step) % sources;
        let asking = until.min(Instant::now() + LOOK_UP_TIME_MAX);
        let (spenders, is_answered) = spenders(hosting, index, &open, asking).await;
        answered += usize::from(is_answered);
        received += walk(hosting, index, &spenders, until).await;
        open.retain(|token, state| {
            let chain = hosting.receiver.heads().chain(token);
            chain.is_some_and(|chain| {
                let (head, link) = chain.head(*token);
                head == *state && link.spent_by.is_none()
            })
        });
    }
    received
}

/// What moved these tokens on above these states, as one validator tells, and whether it answered
/// for all of them.
async fn spenders(
    hosting: &Arc<Hosting>,
    index: usize,
    heads: &BTreeMap<TokenId, TokenState>,
    until: Instant,
) -> (Vec<TransferId>, bool) {
    let mut waiting = heads.values().copied();
    let mut found: Vec<TransferId> = Vec::new();
    let mut asked = JoinSet::new();
    loop {
        while asked.len() < AT_ONCE
            && found.len() < SPENDERS_MAX
            && let Some(state) = waiting.next()
        {
            let hosting = hosting.clone();
            asked.spawn(async move {
                let client = &hosting.sources[index].client;
                let history = client.history_from(state.token, state.height);
                (state, timeout_at(until, history).await)
            });
        }
        let Some(ended) = asked.join_next().await else { break };
        match ended {
            Ok((state, Ok(Ok(history)))) => found.extend(steps(&history, state.height)),
            Ok((_, Ok(Err(error)))) if crate::client::is_not_found(&error) => {}
            Ok((_, Ok(Err(error)))) => {
                hosting.sources[index].saw::<()>(Err(error));
                return (found, false);
            }
            Ok((_, Err(_))) | Err(_) => return (found, false),
        }
    }
    (found, waiting.next().is_none())
}

/// The transfers of a history that lie above this height, lowest first.
fn steps(history: &HistoryDocument, above: u64) -> Vec<TransferId> {
    let higher = history.history.iter().filter(|row| row.height > above);
    let by_height: BTreeMap<u64, TransferId> =
        higher.map(|row| (row.height, row.made_by)).collect();
    by_height.into_values().chain(history.ended_by).take(STEPS_MAX).collect()
}

/// Receives these transfers' receipts from one validator, a part after the other.
async fn walk(hosting: &Arc<Hosting>, index: usize, ids: &[TransferId], until: Instant) -> usize {
    let mut received = 0;
    for part in ids.chunks(PENDING_MAX) {
        let part: BTreeSet<TransferId> = part.iter().copied().collect();
        let told = part.into_iter().map(|id| (id, Some(index)));
        let fetched = fetch(hosting, told, Then::Keep, until).await;
        let (joined, missing) = present(hosting, &fetched.receipts).await;
        // Another of a transfer's tokens may have a gap of its own.
        let gaps = missing.into_iter().map(|id| (id, Vec::new())).collect();
        received += joined + fill(hosting, gaps, until).await.received;
    }
    received
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::tests::{made, token};
    use crate::view::HistoryRow;

    #[test]
    fn a_state_is_looked_up_unless_every_list_names_it() {
        // One honest list of three names a newer state of token 2; the liars name the spent one.
        let live: Vec<TokenState> = (1..=3).map(|number| made(number).state).collect();
        let newer = TokenState { height: 1, ..live[1] };
        let names = |state: &TokenState| match *state {
            state if state == live[0] => 3,
            state if state == live[1] => 2,
            state if state == newer => 1,
            _ => 0,
        };
        let of = |from| doubtful(live.iter().copied(), names, 3, from);
        assert_eq!(of(TokenId::default()), [live[2], live[1]], "what nobody names comes first");
        let fewer = |state: &TokenState| names(state).min(1);
        let of = |from| doubtful(live.iter().copied(), fewer, 3, from);
        assert_eq!(of(token(1)), [live[2], live[1], live[0]], "then whose turn it is");
    }

    #[test]
    fn there_is_a_most_to_look_up_at_once() {
        let many = (0u32..5_000).map(|number| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            TokenState { token: TokenId(ledger::Digest(bytes)), ..made(1).state }
        });
        assert_eq!(doubtful(many, |_| 0, 1, TokenId::default()).len(), LOOK_UPS_MAX);
    }

    #[test]
    fn a_long_way_is_walked_from_the_head_upwards() {
        let id = |height: u64| {
            let mut bytes = [9; 32];
            bytes[..8].copy_from_slice(&height.to_le_bytes());
            TransferId(ledger::Digest(bytes))
        };
        let row = |height: u64| HistoryRow {
            height,
            state_cid: String::new(),
            made_by: id(height),
            from: None,
            owner: made(1).owner,
        };
        let mut history = HistoryDocument {
            schema: "quorate.token-history/1".into(),
            ok: true,
            id: token(1),
            ended_by: Some(id(9_999)),
            history: (0..=2_000).rev().map(row).collect(),
            next: None,
        };
        let first = steps(&history, 500);
        assert_eq!((first[0], first.len()), (id(501), STEPS_MAX));
        assert_eq!(first.last(), Some(&id(1_524)));
        assert_eq!(steps(&history, 1_999), [id(2_000), id(9_999)]);
        history.ended_by = None;
        assert_eq!(steps(&history, 2_000), []);
    }
}
