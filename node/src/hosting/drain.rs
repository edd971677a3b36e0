//! A drain: what do the validators hold for the hosted addresses, and what is missing here? Lists
//! of f+1 validators are merged, so that one that lies or lags hides nothing; receipts come in
//! shares from all. A state that lives here and that not every list names is looked up by the
//! token's history: only a receipt takes it out of the balance. Each of its three steps (lists,
//! receipts, look-ups) has a deadline; what is left then is the next drain's.

use super::Hosting;
use super::fetch::{Then, fetch};
use super::gap::fill;
use super::look_up::{doubtful, look_up};
use ledger::{TokenId, TokenState, TransferId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// How long each step of a drain may take.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);
/// Drains after which a receipt that nobody has makes the node not ready no longer.
const TRIES_MAX: u64 = 3;

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drained {
    /// Whether enough validators answered, nothing that they list is missing, and no receipt waits
    /// for others.
    pub(super) is_whole: bool,
    /// Receipts received.
    pub(super) received: usize,
}

/// Live states, each with the validators that list it.
type Listed = BTreeMap<TokenState, BTreeSet<usize>>;

/// Runs one drain.
pub(super) async fn drain(hosting: &Arc<Hosting>) -> Drained {
    let (listed, lists) = lists(hosting, Instant::now() + STEP_TIME_MAX).await;
    let until = Instant::now() + STEP_TIME_MAX;
    let fetched = fetch(hosting, wanted(hosting, &listed), Then::Receive, until).await;
    let filled = fill(hosting, fetched.gaps, until).await;
    let mut received = fetched.received + filled.received;
    let is_enough = lists >= hosting.lists_needed();
    // What lies above a head that is known here: only a walk from that head reaches it.
    let mut heads: Vec<TokenState> = filled.heads.into_iter().collect();
    if is_enough {
        let live = hosting.receiver.book().all().into_iter().map(|(_, held)| held.state);
        let overtaken = hosting.receiver.book().overtaken();
        let head = |token: &TokenId| Some(hosting.receiver.heads().chain(token)?.head(*token).0);
        let named = |state: &TokenState| listed.get(state).map_or(0, BTreeSet::len);
        let from = *hosting.looked_up.lock();
        let gone = doubtful(live, named, lists, from);
        if let Some(last) = gone.last() {
            *hosting.looked_up.lock() = last.token;
        }
        heads.extend(overtaken.iter().filter_map(head));
        heads.extend(gone);
    }
    received += look_up(hosting, heads, Instant::now() + STEP_TIME_MAX).await;
    let waiting = filled.waiting.into_iter().find(|id| !hosting.receiver.has(id));
    let is_whole = is_enough && fetched.missing.is_empty() && waiting.is_none();
    *hosting.waiting.lock() = waiting;
    hosting.ended(&Drained { is_whole, received }, lists, fetched.is_cut);
    tracing::debug!(lists, received, missing = fetched.missing.len(), "a drain ended");
    Drained { is_whole, received }
}

impl Hosting {
    /// Notes how a drain of so many lists ended, and whether its deadline cut it.
    fn ended(&self, drained: &Drained, lists: usize, is_cut: bool) {
        // What nobody has after some tries, a liar has listed: it must not hold up the rest for
        // ever. A drain that was cut goes on in the next.
        let is_tried = !is_cut && self.drains.load(Ordering::SeqCst) >= TRIES_MAX;
        let is_done = drained.is_whole || (lists >= self.lists_needed() && is_tried);
        if is_done && !self.is_drained.swap(true, Ordering::SeqCst) {
            let tokens = self.receiver.book().live_count();
            tracing::info!(tokens, lists, "drained; balances are those of the network");
        }
        self.drains.fetch_add(1, Ordering::SeqCst);
    }
}

/// The makers of the states that are listed and not known here, each with who alone told of it.
fn wanted(hosting: &Hosting, listed: &Listed) -> BTreeMap<TransferId, Option<usize>> {
    let mut tellers: BTreeMap<TransferId, BTreeSet<usize>> = BTreeMap::new();
    for (state, sources) in listed {
        let known = hosting.receiver.heads().chain(&state.token);
        let is_known = known.as_ref().is_some_and(|chain| chain.head(state.token).0 == *state);
        // A genesis token is proven by the genesis file.
        if !is_known && state.made_by != TransferId::default() {
            tellers.entry(state.made_by).or_default().extend(sources);
        }
    }
    let lone = |sources: BTreeSet<usize>| sources.first().copied().filter(|_| sources.len() == 1);
    tellers.into_iter().map(|(id, sources)| (id, lone(sources))).collect()
}

/// The merged lists of the first f+1 validators that answer, and how many answered.
async fn lists(hosting: &Arc<Hosting>, until: Instant) -> (Listed, usize) {
    let addresses = Arc::new(hosting.addresses());
    let mut asked = JoinSet::new();
    for index in 0..hosting.sources.len() {
        let (hosting, addresses) = (hosting.clone(), addresses.clone());
        asked.spawn(async move { (index, hosting.sources[index].list(&addresses).await) });
    }
    let mut listed = Listed::new();
    let mut lists = 0;
    while let Ok(Some(ended)) = timeout_at(until, asked.join_next()).await {
        if let Ok((index, Some(tokens))) = ended {
            lists += 1;
            for input in tokens {
                listed.entry(input.state).or_default().insert(index);
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
