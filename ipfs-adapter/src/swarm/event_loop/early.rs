//! Queries and announcements that come before there is anybody to ask: they wait until the first
//! peers have been met, for two seconds at the most, and not beyond their own deadline.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::EventLoop;
use crate::{IpfsError, swarm::Command};

/// Calls that wait; more are refused.
pub(super) const CALLS_MAX: usize = 4_096;
/// Their keys; more are refused. At 32 bytes each that is 2 MB.
pub(super) const KEYS_MAX: usize = 65_536;

/// What waits, oldest first.
#[derive(Debug, Default)]
pub(super) struct Early {
    calls: VecDeque<(Instant, Command)>,
    keys: usize,
}

impl Early {
    /// Keeps a call, or refuses it.
    fn keep(&mut self, now: Instant, command: Command) {
        let keys = keys(&command);
        if self.calls.len() < CALLS_MAX && self.keys + keys <= KEYS_MAX {
            self.keys += keys;
            self.calls.push_back((now, command));
        } else if let Command::Find { reporter, .. } = command {
            reporter.refuse(IpfsError::Busy { count: self.calls.len() });
        }
        // Who announces hears of it by the end of the channel.
    }

    /// Takes out what need not, or must not, wait any longer, and the time that it has waited.
    fn take(&mut self, now: Instant, all: bool) -> Vec<(Duration, Command)> {
        let mut out = Vec::new();
        for (since, command) in std::mem::take(&mut self.calls) {
            let waited = now.saturating_duration_since(since);
            let is_over = match &command {
                Command::Find { options, reporter, .. } => {
                    waited >= options.deadline || reporter.is_gone()
                }
                _ => false,
            };
            if all || is_over {
                self.keys -= keys(&command);
                out.push((waited, command));
            } else {
                self.calls.push_back((since, command));
            }
        }
        out
    }
}

fn keys(command: &Command) -> usize {
    match command {
        Command::Find { keys, .. } | Command::Announce { keys, .. } => keys.len(),
        _ => 0,
    }
}

impl EventLoop {
    /// Takes a query or an announcement.
    pub(super) fn take_early(&mut self, command: Command) {
        let now = Instant::now();
        if self.health.is_settled() || self.is_lonely(now) {
            self.begin(Duration::ZERO, command);
        } else {
            self.early.keep(now, command);
        }
    }

    /// Lets those begin that have waited enough.
    pub(super) fn let_out(&mut self, now: Instant) {
        let all = self.health.is_settled() || self.is_lonely(now);
        for (waited, command) in self.early.take(now, all) {
            self.begin(waited, command);
        }
    }

    fn begin(&mut self, waited: Duration, command: Command) {
        match command {
            Command::Find { keys, mut options, reporter } if !reporter.is_gone() => {
                options.deadline = options.deadline.saturating_sub(waited);
                self.find(keys, options, reporter);
            }
            Command::Announce { keys, reply } => {
                self.invalidate(&keys);
                self.announce(keys, reply);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Completion, ContentId, FindOptions, Query, QueryId};

    fn find(keys: usize, deadline: Duration) -> (Query, Command) {
        let (query, reporter) = Query::new(QueryId(1));
        let keys = vec![ContentId::of(b"key"); keys];
        let completion = Completion::Quorum;
        let options = FindOptions { deadline, completion, providers_max: 1, use_cache: false };
        (query, Command::Find { keys, options, reporter })
    }

    #[tokio::test]
    async fn over_the_brim_calls_are_refused_and_none_waits_beyond_its_deadline() {
        let (mut early, start) = (Early::default(), Instant::now());
        let deadline = Duration::from_secs(1);
        let mut queries = Vec::new();
        for _ in 0..CALLS_MAX {
            let (query, command) = find(1, deadline);
            early.keep(start, command);
            queries.push(query);
        }
        let (query, command) = find(1, deadline);
        early.keep(start, command);
        assert_eq!(query.outcome().await, Err(IpfsError::Busy { count: CALLS_MAX }));
        assert!(early.take(start, false).is_empty());
        drop(queries.pop());
        assert_eq!(early.take(start, false).len(), 1, "whose asker has gone");
        let (query, command) = find(KEYS_MAX, deadline);
        early.keep(start, command);
        assert!(matches!(query.outcome().await, Err(IpfsError::Busy { .. })));
        assert_eq!(early.take(start + deadline, false).len(), CALLS_MAX - 1);
        assert_eq!((early.keys, early.calls.len()), (0, 0));
    }
}
