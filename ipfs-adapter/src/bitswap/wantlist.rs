//! What one peer wants of this node: its wantlist, in bounds, and which of it to look up next.
//!
//! A state machine without I/O. A want stays until it is answered, cancelled or too old; one for
//! an absent block waits for [`Wantlist::notify`]. Answers go in the order of the wants; the
//! peer's priorities are its own business.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    answer::{Answer, Asked},
    limits::REFUSALS_MAX,
    message::{Entry, Message, Presence, WantKind},
};
use crate::ContentId;

/// What a peer wants.
pub(super) struct Wantlist {
    held: BTreeMap<ContentId, Held>,
    /// What is to be looked up, oldest first: each is in `held`, with its number as `due`.
    /// Written by `enqueue`, `dequeue` and `next_batch`.
    due: BTreeMap<u64, ContentId>,
    due_next: u64,
    /// "Don't have" about CIDs that can't be here; at most [`REFUSALS_MAX`].
    refusals: VecDeque<Bytes>,
    wants_max: usize,
    ttl: Duration,
}

struct Held {
    kind: WantKind,
    send_dont_have: bool,
    since: Instant,
    due: Option<u64>,
}

/// What becomes of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It goes out.
    Send,
    /// It is no longer wanted, or will be looked up again.
    Drop,
}

impl Wantlist {
    pub(super) fn new(wants_max: usize, ttl: Duration) -> Self {
        let (held, due, refusals) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        Self { held, due, due_next: 0, refusals, wants_max, ttl }
    }

    /// Takes a message's entries in. Gives how many were refused because the list is full.
    pub(super) fn apply(&mut self, message: &Message, now: Instant) -> usize {
        if message.is_full {
            self.held.clear();
            self.due.clear();
            self.refusals.clear();
        }
        message.entries.iter().filter(|entry| !self.entry(entry, now)).count()
    }

    /// Whether there was room for it.
    fn entry(&mut self, entry: &Entry, now: Instant) -> bool {
        let Ok(id) = ContentId::from_bytes(&entry.cid) else {
            // Another codec, hash or version: it can't be here, and that is an answer.
            if !entry.is_cancel && entry.send_dont_have {
                self.refuse(&entry.cid);
            }
            return true;
        };
        if entry.is_cancel {
            self.remove(id);
            return true;
        }
        if !self.held.contains_key(&id) && self.held.len() >= self.wants_max {
            if entry.send_dont_have {
                self.refuse(&entry.cid);
            }
            return false;
        }
        let held = self.held.entry(id).or_insert(Held {
            kind: entry.kind,
            send_dont_have: entry.send_dont_have,
            since: now,
            due: None,
        });
        held.kind = held.kind.max(entry.kind);
        held.send_dont_have = entry.send_dont_have;
        held.since = now;
        self.enqueue(id);
        true
    }

    fn refuse(&mut self, cid: &Bytes) {
        if self.refusals.len() < REFUSALS_MAX {
            // A copy: the slice would keep its whole message in memory.
            self.refusals.push_back(Bytes::copy_from_slice(cid));
        }
    }

    fn enqueue(&mut self, id: ContentId) {
        let Some(held) = self.held.get_mut(&id) else { return };
        if held.due.is_none() {
            held.due = Some(self.due_next);
            self.due.insert(self.due_next, id);
            self.due_next += 1;
        }
    }

    fn remove(&mut self, id: ContentId) {
        if let Some(due) = self.held.remove(&id).and_then(|held| held.due) {
            self.due.remove(&due);
        }
    }

    /// The block may be here now.
    pub(super) fn notify(&mut self, id: ContentId) {
        self.enqueue(id);
    }

    /// Any block may be here now.
    pub(super) fn notify_all(&mut self) {
        let ids: Vec<ContentId> = self.held.keys().copied().collect();
        for id in ids {
            self.enqueue(id);
        }
    }

    /// Whether something is to be looked up.
    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    pub(super) fn has_refusals(&self) -> bool {
        !self.refusals.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.refusals.is_empty()
    }

    /// How many wants are held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// The oldest that are due, at most so many; from now on they are not.
    pub(super) fn next_batch(&mut self, count_max: usize) -> Vec<Asked> {
        let mut asked = Vec::new();
        while asked.len() < count_max {
            let Some((_, id)) = self.due.pop_first() else { break };
            let held = self.held.get_mut(&id).expect("what is due is held");
            held.due = None;
            asked.push(Asked { id, kind: held.kind });
        }
        asked
    }

    /// Settles one look-up: answered wants end, the others stay.
    pub(super) fn settle(&mut self, asked: Asked, answer: &Answer) -> Settled {
        let Some(held) = self.held.get(&asked.id) else { return Settled::Drop };
        match answer {
            Answer::Block(_) => {
                self.remove(asked.id);
                Settled::Send
            }
            // Asked for more, or notified, while it was looked up: the next answer counts.
            Answer::Held | Answer::Absent if held.due.is_some() => Settled::Drop,
            Answer::Held => {
                self.remove(asked.id);
                Settled::Send
            }
            Answer::Absent if held.send_dont_have => Settled::Send,
            Answer::Absent => Settled::Drop,
            // Not known is not no: the peer will ask again, or somebody else.
            Answer::Failed => Settled::Drop,
            Answer::Unread => {
                self.enqueue(asked.id);
                Settled::Drop
            }
        }
    }

    /// The refusals, as presences.
    pub(super) fn take_refusals(&mut self) -> Vec<Presence> {
        let refusals = self.refusals.drain(..);
        refusals.map(|cid| Presence { cid, is_held: false }).collect()
    }

    /// Drops wants that are too old. Cost: linear in the wants.
    pub(super) fn expire(&mut self, now: Instant) {
        let (due, ttl) = (&mut self.due, self.ttl);
        self.held.retain(|_, held| {
            let is_fresh = now.saturating_duration_since(held.since) <= ttl;
            if let (false, Some(number)) = (is_fresh, held.due) {
                due.remove(&number);
            }
            is_fresh
        });
    }

    /// The peer is gone.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.due.clear();
        self.refusals.clear();
    }
}

#[cfg(test)]
mod tests;
