//! A drain: what do the validators hold for the hosted addresses, and what is missing here? Lists
//! of f+1 validators are merged, so that one that lies or lags hides nothing; receipts come in
//! shares from all. A token that lives here and that no list has is looked up by its history: only
//! a receipt takes it out of the balance.

use super::Hosting;
use super::fetch::{Then, fetch};
use super::gap::fill;
use ledger::{TokenId, TokenState, TransferId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Tokens whose history is asked for in one drain; more wait for the next.
const LOOK_UPS_MAX: usize = 4_096;

/// Transfers that one validator may name as their spenders in one drain.
const SPENDERS_MAX: usize = 16_384;
/// How long one validator is asked for histories; then the next one is.
const LOOK_UP_TIME_MAX: Duration = Duration::from_secs(5);
/// Drains after which a receipt that nobody has makes the node not ready no longer.
const TRIES_MAX: u64 = 3;

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drained {
    /// Whether enough validators answered, and nothing that they list is missing.
    pub(super) is_whole: bool,
    /// Receipts received.
    pub(super) received: usize,
}

/// Runs one drain.
pub(super) async fn drain(hosting: &Arc<Hosting>) -> Drained {
    let (listed, lists) = lists(hosting).await;
    let mut wanted: BTreeSet<TransferId> = BTreeSet::new();
    for (token, states) in &listed {
        let known = hosting.receiver.heads().chain(token);
        for state in states {
            let is_known = known.as_ref().is_some_and(|chain| chain.head(*token).0 == *state);
            // A genesis token is proven by the genesis file.
            if !is_known && state.made_by != TransferId::default() {
                wanted.insert(state.made_by);
            }
        }
    }
    let fetched = fetch(hosting, wanted, Then::Receive).await;
    let mut received = fetched.received + fill(hosting, fetched.gaps).await;
    let is_enough = lists >= hosting.lists_needed();
    if is_enough {
        received += look_up(hosting, &listed).await;
    }
    let is_whole = is_enough && fetched.missing.is_empty();
    // What nobody has after some tries, a liar has listed: it must not hold up the rest for ever.
    let is_tried = hosting.drains.load(Ordering::SeqCst) >= TRIES_MAX;
    let is_done = is_whole || (is_enough && is_tried);
    if is_done && !hosting.is_drained.swap(true, Ordering::SeqCst) {
        let tokens = hosting.receiver.book().live_count();
        tracing::info!(tokens, lists, "drained; balances are those of the network");
    }
    hosting.drains.fetch_add(1, Ordering::SeqCst);
    tracing::debug!(lists, received, missing = fetched.missing.len(), "a drain ended");
    Drained { is_whole, received }
}

/// The merged lists of the first f+1 validators that answer, and how many answered.
async fn lists(hosting: &Arc<Hosting>) -> (BTreeMap<TokenId, BTreeSet<TokenState>>, usize) {
    let addresses = Arc::new(hosting.addresses());
    let mut asked = JoinSet::new();
    for index in 0..hosting.sources.len() {
        let (hosting, addresses) = (hosting.clone(), addresses.clone());
        asked.spawn(async move { hosting.sources[index].list(&addresses).await });
    }
    let mut listed: BTreeMap<TokenId, BTreeSet<TokenState>> = BTreeMap::new();
    let mut lists = 0;
    while let Some(ended) = asked.join_next().await {
        if let Ok(Some(tokens)) = ended {
            lists += 1;
            for input in tokens {
                listed.entry(input.state.token).or_default().insert(input.state);
            }
        }
        if lists >= hosting.lists_needed() {
            break;
        }
    }
    // Who is slower than f+1 others is not waited for.
    asked.abort_all();
    (listed, lists)
}

/// Looks for the spenders of tokens that live here and that nobody lists any more.
async fn look_up(
    hosting: &Arc<Hosting>,
    listed: &BTreeMap<TokenId, BTreeSet<TokenState>>,
) -> usize {
    let live = hosting.receiver.book().all().into_iter().map(|(_, held)| held.state);
    let gone = live.filter(|state| !listed.contains_key(&state.token)).take(LOOK_UPS_MAX);
    let mut gone: BTreeMap<TokenId, TokenState> = gone.map(|state| (state.token, state)).collect();
    let mut received = 0;
    for source in &hosting.sources {
        if gone.is_empty() {
            break;
        }
        let mut spenders: BTreeSet<TransferId> = BTreeSet::new();
        let until = Instant::now() + LOOK_UP_TIME_MAX;
        for (token, state) in &gone {
            if Instant::now() >= until || spenders.len() >= SPENDERS_MAX {
                break;
            }
            let history = source.client.history(*token).await;
            if history.as_ref().is_err_and(|e| !crate::client::is_not_found(e)) {
                source.saw(history);
                break;
            }
            let Ok(history) = history else { continue };
            spenders.extend(history.ended_by);
            let newer = history.history.iter().filter(|row| row.height > state.height);
            spenders.extend(newer.map(|row| row.made_by).take(SPENDERS_MAX));
        }
        let fetched = fetch(hosting, spenders, Then::Receive).await;
        received += fetched.received + fill(hosting, fetched.gaps).await;
        gone.retain(|token, state| {
            let chain = hosting.receiver.heads().chain(token);
            let is_same = |head: (TokenState, &crate::receive::chain::Link)| {
                head.0 == *state && head.1.spent_by.is_none()
            };
            chain.is_some_and(|chain| is_same(chain.head(*token)))
        });
    }
    received
}
