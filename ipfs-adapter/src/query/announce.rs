//! "I provide these": each key goes to its R nearest peers and counts as stored when the write
//! quorum has acknowledged it. The caller hears as soon as the fate of every key is known; the
//! remaining replicas are told in the background.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    Query,
    manager::{
        KEYS_MAX, Manager,
        flight::{ask_next, place},
        peers::Slot,
        replicas::{Replicas, State, write_quorum},
    },
    timeout::Timer,
};
use crate::{ContentId, IpfsError, Provided};

/// Announcements under way, those in the background included; beyond it the caller is refused.
pub const ANNOUNCEMENTS_MAX: usize = 1_024;
/// When the caller is told at the latest.
pub const ANNOUNCE_DEADLINE: Duration = Duration::from_secs(10);
/// How long the rest may go on in the background: plain Kademlia gives up after a minute.
pub const BACKGROUND: Duration = Duration::from_secs(60);

/// A key whose fate the caller was told of.
const DECIDED: u8 = u8::MAX;

/// One call.
#[derive(Debug)]
pub(super) struct Announcement {
    /// None once the caller was told.
    reply: Option<oneshot::Sender<Provided>>,
    so_far: Provided,
    /// Keys whose fate is open.
    open: usize,
    count: usize,
    groups: Vec<u64>,
    wakes_at: Option<Instant>,
}

/// Keys of one call with the same replicas.
#[derive(Debug)]
pub(super) struct Announcing {
    announcement: u64,
    pub keys: Arc<[ContentId]>,
    /// Acknowledgements of each key, or [`DECIDED`].
    acks: Vec<u8>,
    quorum: usize,
    pub replicas: Replicas,
    /// By plain Kademlia: how many keys are not through.
    walking: Option<usize>,
    wakes_at: Option<Instant>,
}

impl Manager {
    /// Tells the peers nearest to these keys that this node provides them; distinct keys count.
    /// What the cache knows of them is forgotten.
    ///
    /// # Errors
    /// [`IpfsError::TooManyKeys`], or [`IpfsError::Busy`] at the limits; then nothing was begun,
    /// and `reply` is dropped.
    pub fn announce(
        &mut self,
        now: Instant,
        keys: &[ContentId],
        reply: oneshot::Sender<Provided>,
    ) -> Result<(), IpfsError> {
        Query::check_keys(keys)?;
        if self.announcements.len() >= ANNOUNCEMENTS_MAX {
            return Err(IpfsError::Busy { count: self.announcements.len() });
        }
        if self.keys_announced + keys.len() > KEYS_MAX {
            return Err(IpfsError::Busy { count: self.keys_announced });
        }
        let mut groups: BTreeMap<Vec<Slot>, Vec<ContentId>> = BTreeMap::new();
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        for key in &keys {
            self.invalidate(key);
            groups.entry(self.peers.nearest(key, self.config.replication)).or_default().push(*key);
        }
        let count = keys.len();
        self.totals.announced += u64::try_from(count).expect("a call has few keys");
        self.keys_announced += count;
        let id = self.next_number();
        let mut announcement = Announcement {
            reply: Some(reply),
            so_far: Provided::default(),
            open: count,
            count,
            groups: Vec::new(),
            wakes_at: None,
        };
        let deadline = Some(now + ANNOUNCE_DEADLINE);
        self.timers.set(&mut announcement.wakes_at, deadline, Timer::Announcement(id));
        for (slots, keys) in groups {
            let group = self.group(id, slots, keys);
            announcement.groups.push(group);
        }
        let groups = announcement.groups.clone();
        self.announcements.insert(id, announcement);
        groups.into_iter().for_each(|group| self.check_announcing(now, group));
        self.finish_announcement(id);
        Ok(())
    }

    fn group(&mut self, announcement: u64, slots: Vec<Slot>, keys: Vec<ContentId>) -> u64 {
        let id = self.next_number();
        let is_covered = slots.iter().any(|slot| self.peers.rank(*slot).is_some());
        if !is_covered {
            for (index, key) in (0_u32..).zip(&keys) {
                self.providings.add((id, index), *key);
            }
        }
        let count = slots.len();
        let states = slots.into_iter().map(|slot| (slot, State::Reserve));
        let group = Announcing {
            announcement,
            acks: vec![0; keys.len()],
            quorum: write_quorum(count),
            replicas: Replicas::new(states, count),
            walking: (!is_covered).then_some(keys.len()),
            keys: keys.into(),
            wakes_at: None,
        };
        self.announcing.insert(id, group);
        id
    }

    /// A replica's acknowledgements; `stored` begins with this group's keys.
    pub(super) fn acknowledge(&mut self, now: Instant, id: u64, slot: Slot, stored: &[bool]) {
        let Some(group) = self.announcing.get_mut(&id) else { return };
        if group.replicas.reply(slot) {
            for (acks, stored) in group.acks.iter_mut().zip(stored) {
                // There are far fewer replicas than 255.
                *acks = if *acks == DECIDED { DECIDED } else { *acks + u8::from(*stored) };
            }
        }
        self.check_announcing(now, id);
    }

    /// Moves a group on after anything happened to it.
    pub(super) fn check_announcing(&mut self, now: Instant, id: u64) {
        let Some(group) = self.announcing.get_mut(&id) else { return };
        if group.walking.is_some() {
            return;
        }
        ask_next((&mut self.peers, &mut self.totals), &mut group.replicas, now, (id, true));
        let wakes_at = group.replicas.wakes_at();
        self.timers.set(&mut group.wakes_at, wakes_at, Timer::Announcing(id));
        let possible = group.replicas.possible();
        let owner = self.announcements.get_mut(&group.announcement).expect("its call is kept");
        for acks in group.acks.iter_mut().filter(|acks| **acks != DECIDED) {
            let count = usize::from(*acks);
            let is_stored = count >= group.quorum && count > 0;
            if is_stored || count + possible < group.quorum.max(1) {
                owner.decide(is_stored);
                *acks = DECIDED;
            }
        }
        let (owner, is_settled) = (group.announcement, group.replicas.is_settled());
        if is_settled {
            self.drop_group(id);
        }
        self.finish_announcement(owner);
    }

    /// Plain Kademlia is through with announcing a key; `is_stored` says whether it counts as
    /// stored. A key that is not under way (any more) is no error.
    pub fn providing_ended(&mut self, key: &ContentId, is_stored: bool) {
        for (id, index) in self.providings.end(key) {
            let Some(group) = self.announcing.get_mut(&id) else { continue };
            let owner = group.announcement;
            let announcement = self.announcements.get_mut(&owner).expect("its call is kept");
            if std::mem::replace(&mut group.acks[place(index)], DECIDED) != DECIDED {
                announcement.decide(is_stored);
            }
            let left = group.walking.map_or(0, |count| count.saturating_sub(1));
            group.walking = Some(left);
            if left == 0 {
                self.drop_group(id);
            }
            self.finish_announcement(owner);
        }
    }

    /// The deadline of a call: its caller is told; the second time its work ends.
    pub(super) fn announcement_due(&mut self, now: Instant, id: u64) {
        let Some(announcement) = self.announcements.get_mut(&id) else { return };
        announcement.wakes_at = None;
        if announcement.reply.is_some() {
            announcement.so_far.failed += std::mem::take(&mut announcement.open);
            announcement.tell();
            let groups = announcement.groups.clone();
            let end = Some(now + BACKGROUND);
            self.timers.set(&mut announcement.wakes_at, end, Timer::Announcement(id));
            for group in groups {
                if let Some(group) = self.announcing.get_mut(&group) {
                    group.acks.fill(DECIDED);
                }
            }
            return;
        }
        for group in announcement.groups.clone() {
            self.drop_group(group);
        }
        self.finish_announcement(id);
    }

    /// A group's timer.
    pub(super) fn announcing_due(&mut self, now: Instant, id: u64) {
        if let Some(group) = self.announcing.get_mut(&id) {
            group.wakes_at = None;
        }
        self.check_announcing(now, id);
    }

    fn drop_group(&mut self, id: u64) {
        let Some(mut group) = self.announcing.remove(&id) else { return };
        self.timers.set(&mut group.wakes_at, None, Timer::Announcing(id));
        for slot in group.replicas.queued() {
            self.peers.dequeue(slot, id, true);
        }
        if group.walking.is_some() {
            for (index, key) in (0_u32..).zip(group.keys.iter()) {
                self.providings.leave((id, index), key);
            }
        }
    }

    /// Tells the caller if every fate is known; forgets the call if nothing is left to do.
    fn finish_announcement(&mut self, id: u64) {
        let Some(announcement) = self.announcements.get_mut(&id) else { return };
        if announcement.open == 0 {
            announcement.tell();
        }
        announcement.groups.retain(|group| self.announcing.contains_key(group));
        if announcement.groups.is_empty() {
            self.keys_announced -= announcement.count;
            self.timers.set(&mut announcement.wakes_at, None, Timer::Announcement(id));
            self.announcements.remove(&id);
        }
    }
}

impl Announcement {
    /// A key's fate is known.
    fn decide(&mut self, is_stored: bool) {
        if self.reply.is_none() {
            return;
        }
        self.open -= 1;
        self.so_far.stored += usize::from(is_stored);
        self.so_far.failed += usize::from(!is_stored);
    }

    fn tell(&mut self) {
        if let Some(reply) = self.reply.take()
            && reply.send(self.so_far).is_err()
        {
            tracing::trace!("who announced did not wait for the outcome");
        }
    }
}
