//! Pins of a daemon: recursive ones, which is what `pin/add` makes.
//!
//! Kubo pins and unpins its arguments one after the other and stops at the first that fails, so
//! what could fail is asked before. `pin/ls` with one argument that is not pinned is an error for
//! the whole call: a few ids are asked one by one, many are looked for in the streamed list.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, de::IgnoredAny};

use super::{
    Kubo,
    answer::{id_of, says, says_not_found},
    client::{Call, within},
};
use crate::{Codec, ContentId, IpfsError};

/// The most arguments of one call: 128 ids are 9 KB of request line (Node.js takes 16 KB of header,
/// Go 1 MB).
pub(super) const ARGUMENTS_MAX: usize = 128;
/// The most ids that are asked one by one; beyond, the daemon's whole list is cheaper.
pub(super) const ASKED_SINGLY_MAX: usize = 16;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    cid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    keys: Option<BTreeMap<String, IgnoredAny>>,
}

impl Kubo {
    pub(super) async fn pin_all(&self, ids: Vec<ContentId>) -> Result<(), IpfsError> {
        let ids = distinct(ids);
        within(self.deadline_for(ids.len()), async {
            let mut held = stream::iter(ids.clone())
                .map(|id| async move { Ok::<_, IpfsError>((id, self.local_stat(id).await?)) })
                .buffered(self.client.lookups_max);
            while let Some((id, stat)) = held.try_next().await? {
                stat.ok_or(IpfsError::NotHeld { id })?;
            }
            // Raw blocks that are held can be pinned. A node's links may be missing: then what was
            // pinned by this call is unpinned again.
            let has_links = ids.iter().any(|id| id.codec() == Codec::DagPb);
            let before = if has_links { self.which(&ids).await? } else { BTreeSet::new() };
            for chunk in ids.chunks(ARGUMENTS_MAX) {
                let call = Call::new("pin/add").with("offline", true);
                let Err(error) = self.over(call, chunk).await else { continue };
                if !says_not_found(&error) {
                    return Err(error);
                }
                let new = ids.iter().copied().filter(|id| !before.contains(id)).collect();
                if has_links {
                    self.remove_pins(new).await?;
                }
                return Err(IpfsError::NotHeld { id: named(&error).unwrap_or(chunk[0]) });
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn unpin_all(&self, ids: Vec<ContentId>) -> Result<(), IpfsError> {
        let ids = distinct(ids);
        within(self.deadline_for(ids.len()), self.remove_pins(ids)).await
    }

    pub(super) async fn pinned(&self, ids: Vec<ContentId>) -> Result<Vec<bool>, IpfsError> {
        let pinned = within(self.deadline_for(ids.len()), self.which(&ids)).await?;
        Ok(ids.iter().map(|id| pinned.contains(id)).collect())
    }

    async fn remove_pins(&self, ids: Vec<ContentId>) -> Result<(), IpfsError> {
        let pinned: Vec<ContentId> = self.which(&ids).await?.into_iter().collect();
        for chunk in pinned.chunks(ARGUMENTS_MAX) {
            match self.over(Call::new("pin/rm"), chunk).await {
                // Somebody else was faster with one of them, and those behind it are still there.
                Err(error) if says(&error, "not pinned") => self.remove_singly(chunk).await?,
                other => other?,
            }
        }
        Ok(())
    }

    async fn remove_singly(&self, ids: &[ContentId]) -> Result<(), IpfsError> {
        for id in ids {
            match self.over(Call::new("pin/rm"), &[*id]).await {
                Err(error) if says(&error, "not pinned") => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Those of `ids` that are pinned.
    async fn which(&self, ids: &[ContentId]) -> Result<BTreeSet<ContentId>, IpfsError> {
        if ids.len() > ASKED_SINGLY_MAX {
            return self.which_listed(ids.iter().copied().collect()).await;
        }
        let mut asked = stream::iter(ids.to_vec())
            .map(|id| async move { Ok::<_, IpfsError>((id, self.is_pinned(id).await?)) })
            .buffered(self.client.lookups_max);
        let mut pinned = BTreeSet::new();
        while let Some((id, is_pinned)) = asked.try_next().await? {
            if is_pinned {
                pinned.insert(id);
            }
        }
        Ok(pinned)
    }

    async fn is_pinned(&self, id: ContentId) -> Result<bool, IpfsError> {
        let call = Call::new("pin/ls").with("type", "recursive").with("arg", id);
        let answer = match self.client.open(call).await {
            Err(error) if says(&error, "not pinned") => return Ok(false),
            other => other?,
        };
        let keys: Keys = answer.json().await?;
        let keys = keys.keys.unwrap_or_default();
        Ok(keys.keys().any(|text| id_of(text) == Ok(id)))
    }

    /// The list is read line by line; only what was asked for is kept.
    async fn which_listed(
        &self,
        wanted: BTreeSet<ContentId>,
    ) -> Result<BTreeSet<ContentId>, IpfsError> {
        let call = Call::new("pin/ls").with("type", "recursive").with("stream", true);
        let mut lines = self.client.open(call).await?.lines();
        let mut pinned = BTreeSet::new();
        while let Some(Listed { cid }) = lines.next().await? {
            // Pins of other kinds are somebody else's.
            pinned.extend(id_of(&cid).ok().filter(|id| wanted.contains(id)));
        }
        Ok(pinned)
    }

    /// A call over several ids, whose answer does not matter beyond its success.
    async fn over(&self, call: Call, ids: &[ContentId]) -> Result<(), IpfsError> {
        let call = ids.iter().fold(call, |call, id| call.with("arg", id));
        self.client.open(call).await?.json::<IgnoredAny>().await.map(|_| ())
    }

    /// One timeout for each call that so many ids need.
    fn deadline_for(&self, count: usize) -> Duration {
        let calls = u32::try_from(count.div_ceil(ARGUMENTS_MAX)).unwrap_or(u32::MAX);
        self.client.timeout.saturating_mul(calls.max(1))
    }
}

/// Without repetitions, the first of each in its place.
pub(super) fn distinct(ids: Vec<ContentId>) -> Vec<ContentId> {
    let mut seen = BTreeSet::new();
    ids.into_iter().filter(|id| seen.insert(*id)).collect()
}

/// The id in an error's words.
fn named(error: &IpfsError) -> Option<ContentId> {
    let IpfsError::Refused { message, .. } = error else { return None };
    message.split(|c: char| !c.is_ascii_alphanumeric()).find_map(|word| id_of(word).ok())
}
