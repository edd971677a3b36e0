//! What this node wants of one peer: who waits for what, what was said and when.
//!
//! A state machine: calls, answers and the time come in, entries and replies go out. Only what is
//! wanted can be answered, so a block with a wrong hash, or one that nobody asked for, finds
//! nobody here. Streams and deadlines are `link`'s and the callers' business.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{
    error::FetchError,
    limits::{CANCELS_WAITING_MAX, REPEAT_AFTER, WAITERS_MAX},
    message::{Entry, WantKind},
};
use crate::{BLOCK_BYTES_MAX, Content, ContentId};

/// Where a fetched block goes.
pub(super) type BlockReply = oneshot::Sender<Result<Content, FetchError>>;

/// Where one answer of a `have` call goes: its index, and whether the peer holds it.
#[derive(Debug)]
pub(super) struct HaveReply {
    pub index: usize,
    /// Has room for all answers of its call.
    pub to: mpsc::Sender<(usize, Result<bool, FetchError>)>,
}

impl HaveReply {
    fn send(self, answer: Result<bool, FetchError>) {
        if let Err(error) = self.to.try_send((self.index, answer)) {
            tracing::trace!(%error, "a caller has gone");
        }
    }
}

/// Everything that is wanted of one peer.
pub(super) struct Wants {
    wants: BTreeMap<ContentId, Want>,
    /// Said before, no longer wanted, and not yet taken back.
    cancels: BTreeSet<ContentId>,
    /// Ids of `wants` that the peer must be told of. Written by the `want_…`, `entries`,
    /// `repeat`, `take`, `sweep` and `fail_all`.
    unsaid: BTreeSet<ContentId>,
    /// Callers over all wants, as of the last sweep or more.
    waiter_count: usize,
    wants_max: usize,
    /// When the peer last said anything, or was last told everything.
    heard_at: Instant,
}

#[derive(Default)]
struct Want {
    blocks: Vec<BlockReply>,
    haves: Vec<HaveReply>,
    said: Option<(WantKind, Instant)>,
}

impl Want {
    fn kind(&self) -> WantKind {
        if self.blocks.is_empty() { WantKind::Have } else { WantKind::Block }
    }

    fn waiter_count(&self) -> usize {
        self.blocks.len() + self.haves.len()
    }
}

impl Wants {
    pub(super) fn new(wants_max: usize, now: Instant) -> Self {
        Self {
            wants: BTreeMap::new(),
            cancels: BTreeSet::new(),
            unsaid: BTreeSet::new(),
            waiter_count: 0,
            wants_max,
            heard_at: now,
        }
    }

    /// One more caller for a block. Refused callers are told.
    pub(super) fn want_block(&mut self, id: ContentId, reply: BlockReply) {
        match self.want(id) {
            Some(want) => {
                want.blocks.push(reply);
                self.said_less_than(id, WantKind::Block);
            }
            // The caller may be gone; then nobody wants to know.
            None => drop(reply.send(Err(FetchError::Busy))),
        }
    }

    /// One more caller who asks whether the peer holds it.
    pub(super) fn want_have(&mut self, id: ContentId, reply: HaveReply) {
        match self.want(id) {
            Some(want) => {
                want.haves.push(reply);
                self.said_less_than(id, WantKind::Have);
            }
            None => reply.send(Err(FetchError::Busy)),
        }
    }

    /// Room for one more caller; `None` when there is none.
    fn want(&mut self, id: ContentId) -> Option<&mut Want> {
        let is_new = !self.wants.contains_key(&id);
        // Cancels are bounded, too: a peer that can't be told yet holds new wants up, not memory.
        let is_over = self.wants.len().max(self.cancels.len()) >= self.wants_max;
        if is_new && is_over || self.waiter_count >= WAITERS_MAX {
            return None;
        }
        self.waiter_count += 1;
        self.cancels.remove(&id);
        Some(self.wants.entry(id).or_default())
    }

    fn said_less_than(&mut self, id: ContentId, kind: WantKind) {
        let said = self.wants.get(&id).and_then(|want| want.said);
        if said.is_none_or(|(said, _)| said < kind) {
            self.unsaid.insert(id);
        }
    }

    /// Whether the peer must be told of something; a few cancels wait for the next message.
    pub(super) fn is_urgent(&self) -> bool {
        !self.unsaid.is_empty() || self.cancels.len() >= CANCELS_WAITING_MAX
    }

    /// Whether there is anything to tell, cancels included.
    pub(super) fn is_unsaid(&self) -> bool {
        self.is_urgent() || !self.cancels.is_empty()
    }

    /// Whether nobody waits and nothing is left to be said.
    pub(super) fn is_empty(&self) -> bool {
        self.wants.is_empty() && self.cancels.is_empty()
    }

    /// What the peer must be told; from now on it counts as said.
    pub(super) fn entries(&mut self, now: Instant) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(self.unsaid.len() + self.cancels.len());
        let entry = |id: ContentId, is_cancel, kind| Entry {
            cid: Bytes::from(id.to_bytes()),
            is_cancel,
            kind,
            send_dont_have: !is_cancel,
        };
        for id in std::mem::take(&mut self.cancels) {
            entries.push(entry(id, true, WantKind::Block));
        }
        for id in std::mem::take(&mut self.unsaid) {
            let want = self.wants.get_mut(&id).expect("only what is wanted is unsaid");
            want.said = Some((want.kind(), now));
            entries.push(entry(id, false, want.kind()));
        }
        self.heard_at = self.heard_at.max(now);
        entries
    }

    /// The peer may have lost what it was told: it will be told again.
    pub(super) fn repeat(&mut self) {
        self.unsaid.extend(self.wants.keys());
    }

    /// A verified id came with so many bytes. Gives how long it took since it was asked for;
    /// `None` when nobody wants it.
    pub(super) fn take(
        &mut self,
        id: ContentId,
        data: &Bytes,
        now: Instant,
    ) -> Option<Option<Duration>> {
        let want = self.remove(id)?;
        for have in want.haves {
            have.send(Ok(true));
        }
        if !want.blocks.is_empty() {
            let content = if data.len() > BLOCK_BYTES_MAX {
                Err(FetchError::TooLarge { bytes: data.len() })
            } else {
                Content::claimed(id, data.to_vec()).map_err(|_| FetchError::Corrupt)
            };
            for reply in want.blocks {
                drop(reply.send(content.clone()));
            }
        }
        Some(want.said.map(|(_, at)| now.saturating_duration_since(at)))
    }

    /// The peer said whether it holds it. As [`Wants::take`].
    pub(super) fn presence(
        &mut self,
        id: ContentId,
        is_held: bool,
        now: Instant,
    ) -> Option<Option<Duration>> {
        let want = self.wants.get_mut(&id)?;
        let took = want.said.map(|(_, at)| now.saturating_duration_since(at));
        let haves = std::mem::take(&mut want.haves);
        self.waiter_count = self.waiter_count.saturating_sub(haves.len());
        for have in haves {
            have.send(Ok(is_held));
        }
        if want.blocks.is_empty() || !is_held {
            let want = self.remove(id).expect("it was there a moment ago");
            for reply in want.blocks {
                drop(reply.send(Err(FetchError::DontHave)));
            }
            if !is_held {
                // Go's peers remember the want and would send the block once they have it.
                self.cancels.insert(id);
            }
        }
        Some(took)
    }

    fn remove(&mut self, id: ContentId) -> Option<Want> {
        let want = self.wants.remove(&id)?;
        self.waiter_count = self.waiter_count.saturating_sub(want.waiter_count());
        self.unsaid.remove(&id);
        Some(want)
    }

    /// The peer has said something.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// Drops callers that have gone, takes back what nobody waits for, and repeats all to a peer
    /// that has been silent. Cost: linear in the callers.
    pub(super) fn sweep(&mut self, now: Instant) {
        let (cancels, unsaid) = (&mut self.cancels, &mut self.unsaid);
        let mut waiter_count = 0;
        self.wants.retain(|id, want| {
            want.blocks.retain(|reply| !reply.is_closed());
            want.haves.retain(|reply| !reply.to.is_closed());
            waiter_count += want.waiter_count();
            if want.waiter_count() == 0 {
                unsaid.remove(id);
                if want.said.is_some() {
                    cancels.insert(*id);
                }
            }
            want.waiter_count() > 0
        });
        self.waiter_count = waiter_count;
        if !self.wants.is_empty() && now.saturating_duration_since(self.heard_at) > REPEAT_AFTER {
            self.heard_at = now;
            self.repeat();
        }
    }

    /// Nothing more will come: every caller is told, and nothing is left to be said.
    pub(super) fn fail_all(&mut self, error: FetchError) {
        for (_, want) in std::mem::take(&mut self.wants) {
            for reply in want.blocks {
                drop(reply.send(Err(error)));
            }
            for have in want.haves {
                have.send(Err(error));
            }
        }
        self.cancels.clear();
        self.unsaid.clear();
        self.waiter_count = 0;
    }
}

#[cfg(test)]
mod tests;
