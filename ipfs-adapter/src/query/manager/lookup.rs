//! Plain Kademlia for keys that no batch peer covers: a bounded number at once, the rest waits in
//! line. One look-up of a key serves everybody who wants it.

use std::{collections::BTreeMap, time::Instant};

use super::{Action, Manager, replicas::read_quorum};
use crate::{ContentId, Provider};

/// Replicas of a key in plain Kademlia (its k).
const REPLICATION: usize = 20;

/// Who wants a key: a look-up or announcement, and the index of its key.
pub(in crate::query) type User = (u64, u32);

/// Keys under way in Kademlia and keys that wait. Bounded by what it belongs to.
#[derive(Debug)]
pub(in crate::query) struct Pool {
    waiting: BTreeMap<User, ContentId>,
    active: BTreeMap<ContentId, Vec<User>>,
    active_max: usize,
}

impl Pool {
    pub fn new(active_max: usize) -> Self {
        Self { waiting: BTreeMap::new(), active: BTreeMap::new(), active_max }
    }

    pub fn add(&mut self, user: User, key: ContentId) {
        self.waiting.insert(user, key);
    }

    /// The next key to be started.
    pub fn start(&mut self) -> Option<ContentId> {
        while self.active.len() < self.active_max {
            let (user, key) = self.waiting.pop_first()?;
            let users = self.active.entry(key).or_default();
            users.push(user);
            if users.len() == 1 {
                return Some(key);
            }
        }
        None
    }

    /// Who waits for this key's answer.
    pub fn users(&self, key: &ContentId) -> Vec<User> {
        self.active.get(key).cloned().unwrap_or_default()
    }

    /// It has ended.
    pub fn end(&mut self, key: &ContentId) -> Vec<User> {
        self.active.remove(key).unwrap_or_default()
    }

    /// A user has enough. Returns whether that was the last one, so that it can be stopped.
    pub fn leave(&mut self, user: User, key: &ContentId) -> bool {
        if self.waiting.remove(&user).is_some() {
            return false;
        }
        let Some(users) = self.active.get_mut(key) else { return false };
        users.retain(|other| *other != user);
        let is_idle = users.is_empty();
        if is_idle {
            self.active.remove(key);
        }
        is_idle
    }

    pub fn active_count(&self) -> usize {
        self.active.len()
    }

    #[cfg(test)]
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }
}

/// How many replied and how many failed in one key's look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) struct Walk {
    pub replies: u16,
    pub failures: u16,
}

impl Walk {
    /// Whether q of the R nearest must have replied. Nobody says which ones failed, so all that
    /// failed are taken for near ones.
    pub fn is_complete(self) -> bool {
        let asked = usize::from(self.replies) + usize::from(self.failures);
        let replicas = asked.min(REPLICATION);
        let near = replicas.saturating_sub(usize::from(self.failures));
        replicas > 0 && near >= read_quorum(replicas)
    }
}

impl Manager {
    /// Providers of a key became known: from plain Kademlia, or from this node's own records while
    /// others are asked.
    pub fn lookup_progress(&mut self, now: Instant, key: &ContentId, providers: &[Provider]) {
        let mut users = self.lookups.users(key);
        let newest = self.in_flight.get(key).copied();
        users.extend(newest.filter(|user| !users.contains(user)));
        for (flight, index) in users {
            let is_enough = self.hit(flight, index, providers);
            if is_enough && self.lookups.leave((flight, index), key) {
                self.actions.push_back(Action::StopLookup { key: *key });
            }
            if is_enough {
                self.walked(now, (flight, index), Walk { replies: 1, failures: 0 });
            }
            self.check(now, flight);
        }
    }

    /// Plain Kademlia is through with a key. A key that is not under way (any more) is no error.
    pub fn lookup_ended(&mut self, now: Instant, key: &ContentId, replies: u16, failures: u16) {
        for user in self.lookups.end(key) {
            self.walked(now, user, Walk { replies, failures });
        }
    }

    /// Closes one key of a look-up by plain Kademlia.
    fn walked(&mut self, now: Instant, (id, index): User, walk: Walk) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        let Some(walks) = &mut flight.walks else { return };
        let at = usize::try_from(index).expect("an index fits");
        if walks[at].replace(walk).is_some() {
            return;
        }
        for waiter in &mut flight.waiters {
            let query = self.queries.get_mut(&waiter.query).expect("a waiter's query lives");
            for at in waiter.indices(index) {
                query.got += 1;
                if query.answers[at].providers.len() < query.options.providers_max {
                    waiter.open -= 1;
                    query.open -= 1;
                }
            }
        }
        self.check(now, id);
    }
}
