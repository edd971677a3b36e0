//! Announcements. `provide/once` (Kubo 0.42) takes many keys and queues them for the sweep that
//! writes records region by region; before it there are `routing/provide` and `dht/provide`, which
//! look the nearest peers up for each key while the caller waits.
//!
//! What the daemon has queued or sent counts as stored: Kademlia's ADD_PROVIDER has no reply, so no
//! daemon knows more.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::{StreamExt, stream};
use serde::Deserialize;

use super::{
    Kubo,
    answer::id_of,
    client::{Call, Chain, within},
    event::{ERROR, Event},
    peers,
    pins::{ARGUMENTS_MAX, distinct},
};
use crate::{ContentId, IpfsError, Provided};

/// How this daemon announces.
pub(super) struct Announcing {
    /// Found out by the first announcement: it has no `provide/once`.
    is_old: AtomicBool,
    one_by_one: Chain,
}

impl Announcing {
    pub(super) const fn new() -> Self {
        let one_by_one = Chain::new(&["routing/provide", "dht/provide"]);
        Self { is_old: AtomicBool::new(false), one_by_one }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Queued {
    queued: String,
}

impl Kubo {
    pub(super) async fn announce(&self, keys: Vec<ContentId>) -> Result<Provided, IpfsError> {
        let keys = distinct(keys);
        if keys.is_empty() {
            return Ok(Provided::default());
        }
        // Alone, it would refuse each key, one request at a time.
        if within(self.client.timeout, peers(&self.client)).await?.is_empty() {
            return Ok(Provided { stored: 0, failed: keys.len() });
        }
        let mut provided = Provided::default();
        for chunk in keys.chunks(ARGUMENTS_MAX) {
            let queued = self.queue(chunk).await?;
            let rest: Vec<ContentId> =
                chunk.iter().copied().filter(|key| !queued.contains(key)).collect();
            let stored = queued.len() + self.announce_singly(&rest).await?;
            provided.stored += stored;
            provided.failed += chunk.len() - stored;
        }
        Ok(provided)
    }

    /// The keys that the daemon queued, none if it can't. It stops at the first that it refuses.
    async fn queue(&self, keys: &[ContentId]) -> Result<BTreeSet<ContentId>, IpfsError> {
        let mut queued = BTreeSet::new();
        if self.announcing.is_old.load(Ordering::Relaxed) {
            return Ok(queued);
        }
        let call = keys.iter().fold(Call::new("provide/once"), |call, key| call.with("arg", key));
        let work = async {
            let Some(answer) = self.client.open_if_there(call).await? else {
                self.announcing.is_old.store(true, Ordering::Relaxed);
                return Ok(());
            };
            let mut lines = answer.lines();
            while let Some(Queued { queued: text }) = lines.next().await? {
                queued.extend(id_of(&text).ok().filter(|id| keys.contains(id)));
            }
            Ok(())
        };
        match within(self.client.timeout, work).await {
            Ok(()) | Err(IpfsError::Refused { .. }) => Ok(queued),
            Err(error) => Err(error),
        }
    }

    /// How many of these the daemon announced, each by a call of its own.
    async fn announce_singly(&self, keys: &[ContentId]) -> Result<usize, IpfsError> {
        let results = stream::iter(keys.to_vec())
            .map(|key| within(self.client.timeout, self.announce_one(key)))
            .buffer_unordered(self.client.lookups_max);
        let results: Vec<Result<bool, IpfsError>> = results.collect().await;
        let mut stored = 0;
        for result in results {
            match result {
                Ok(is_stored) => stored += usize::from(is_stored),
                // About this key: not held, or its look-up found nobody.
                Err(IpfsError::Refused { .. } | IpfsError::Timeout { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(stored)
    }

    async fn announce_one(&self, key: ContentId) -> Result<bool, IpfsError> {
        let _lookup = self.client.lookups.acquire().await.map_err(|_| IpfsError::Stopped)?;
        let make = |name| Call::new(name).with("arg", key);
        let mut lines = self.announcing.one_by_one.open(&self.client, make).await?.lines();
        while let Some(event) = lines.next::<Event>().await? {
            if event.kind == ERROR && !event.is_about_a_peer() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The longest that an announcement of so many keys takes.
    pub(super) fn announce_deadline(&self, count: usize) -> Duration {
        let rounds = 1 + count.div_ceil(ARGUMENTS_MAX) + count.div_ceil(self.client.lookups_max);
        self.client.timeout.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX))
    }
}
