//! From hints to proofs: providers are asked for the receipt, and only a valid one counts.
//!
//! Bounded: each provider is asked once for all its keys, a few providers at once, the first proof
//! of a key wins, and all of it ends at the stage's deadline.

use crate::handle::Shared;
use crate::ipfs::proofs;
use ipfs_adapter::swarm::proof::KEYS_MAX;
use ipfs_adapter::{ContentId, PeerId, Provider};
use ledger::TransferId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Providers asked about one batch.
const PROVIDERS_MAX: usize = 32;
/// Providers asked for the same key: one may be down, one may lie.
const PER_KEY_MAX: usize = 3;
/// Receipts checked for one batch, over all providers: about 0.2 ms each.
const CHECKS_MAX: usize = 256;

/// A key whose state is spent, by a valid receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proven {
    /// Which key.
    pub(super) index: usize,
    /// The transfer that spent it.
    pub(super) spender: TransferId,
}

/// Whoever had this long to answer and did not loses score.
const FAIR_TIME: Duration = Duration::from_millis(100);

/// What one provider is asked for.
struct Ask {
    provider: Provider,
    keys: Vec<(usize, ContentId)>,
}

/// Asks the providers of all hints: (index, key, providers).
pub(super) async fn prove(
    shared: &Arc<Shared>,
    hints: Vec<(usize, ContentId, Vec<Provider>)>,
    until: Instant,
) -> Vec<Proven> {
    let Some(ipfs) = shared.ipfs.as_ref().filter(|_| !hints.is_empty()) else {
        return Vec::new();
    };
    let own = ipfs.peer;
    let hints = hints.into_iter().map(|(index, key, mut providers)| {
        shared.trust.best_first(&mut providers);
        (index, key, providers)
    });
    let mut tasks = JoinSet::new();
    let checks = Arc::new(AtomicUsize::new(0));
    for ask in asks(hints.collect(), own) {
        tasks.spawn(ask_one(shared.clone(), ask, until, checks.clone()));
    }
    let mut proven: Vec<Proven> = Vec::new();
    let mut seen = BTreeSet::new();
    while let Ok(Some(ended)) = tokio::time::timeout_at(until.into(), tasks.join_next()).await {
        for one in ended.unwrap_or_default() {
            if seen.insert(one.index) {
                proven.push(one);
            }
        }
    }
    proven
}

/// Groups the hints by provider.
fn asks(hints: Vec<(usize, ContentId, Vec<Provider>)>, own: PeerId) -> Vec<Ask> {
    let mut asks: BTreeMap<PeerId, Ask> = BTreeMap::new();
    for (index, key, providers) in hints {
        let mut asked = BTreeSet::new();
        for provider in providers {
            let is_new = provider.peer != own && asked.len() < PER_KEY_MAX;
            if !is_new || !asked.insert(provider.peer) {
                continue;
            }
            if asks.len() >= PROVIDERS_MAX && !asks.contains_key(&provider.peer) {
                continue;
            }
            let ask =
                asks.entry(provider.peer).or_insert_with(|| Ask { provider, keys: Vec::new() });
            if ask.keys.len() < KEYS_MAX {
                ask.keys.push((index, key));
            }
        }
    }
    asks.into_values().collect()
}

async fn ask_one(
    shared: Arc<Shared>,
    ask: Ask,
    until: Instant,
    checks: Arc<AtomicUsize>,
) -> Vec<Proven> {
    let Some(ipfs) = &shared.ipfs else { return Vec::new() };
    let Ask { provider, keys } = ask;
    let peer = provider.peer;
    let ids: Vec<ContentId> = keys.iter().map(|(_, key)| *key).collect();
    let left = until.saturating_duration_since(Instant::now());
    let shown = ipfs.embedded.ask_proofs(provider, &ids, left.max(Duration::from_millis(1))).await;
    let proofs = match shown {
        Ok(proofs) => proofs,
        Err(error) => {
            tracing::debug!(%peer, %error, "a provider shows nothing");
            shared.metrics.proof_shown(false);
            // Who was asked at the last moment may be honest and only late.
            if left >= FAIR_TIME {
                shared.trust.note(peer, false);
            }
            return Vec::new();
        }
    };
    let network = shared.network.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let shown = keys.into_iter().zip(proofs);
        let shown = shown.filter_map(|((index, key), proof)| Some((index, key, proof?)));
        let is_in_time =
            |_: &_| checks.fetch_add(1, Ordering::Relaxed) < CHECKS_MAX && Instant::now() < until;
        let checked = shown.take_while(is_in_time).map(|(index, key, proof)| {
            proofs::check(&network, key, &proof).map(|receipt| (index, receipt))
        });
        checked.collect::<Vec<_>>()
    });
    let checked = checked.await.unwrap_or_default();
    // A provider that shows nothing is asked later the next time, and no more than that: others may
    // have named it. Who shows something false has done so itself, and loses its score.
    let is_false = checked.iter().any(Option::is_none);
    let is_good = !checked.is_empty() && !is_false;
    shared.metrics.proof_shown(is_good);
    shared.trust.note(peer, is_good);
    if is_good || is_false {
        ipfs.embedded.judge(peer, is_good);
    }
    let mut proven = Vec::new();
    for (index, receipt) in checked.into_iter().flatten() {
        proven.push(Proven { index, spender: receipt.id() });
        shared.foreign.keep(receipt);
    }
    proven
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(peer: PeerId) -> Provider {
        Provider { peer, addresses: Vec::new() }
    }

    #[test]
    fn each_provider_is_asked_once_and_all_is_bounded() {
        let own = PeerId::random();
        let peers: Vec<PeerId> = (0..100).map(|_| PeerId::random()).collect();
        let hints = (0..1_000).map(|index| {
            let key = ContentId::of(&[u8::try_from(index % 256).expect("below 256")]);
            let first = index % peers.len();
            let providers = [own, peers[first], peers[first], peers[0], peers[1], peers[2]];
            (index, key, providers.map(provider).to_vec())
        });
        let asks = asks(hints.collect(), own);
        assert_eq!(asks.len(), PROVIDERS_MAX);
        assert!(asks.iter().all(|ask| ask.provider.peer != own));
        assert!(asks.iter().all(|ask| ask.keys.len() <= KEYS_MAX));
        let mut per_key = BTreeMap::new();
        for (index, _) in asks.iter().flat_map(|ask| &ask.keys) {
            *per_key.entry(index).or_insert(0) += 1;
        }
        assert!(per_key.values().all(|count| *count <= PER_KEY_MAX));
    }
}
