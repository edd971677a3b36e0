//! Who broke which rule: counted for the operator, and logged. Not more often than once a second a
//! member, because whoever breaks rules may do it a million times, and a log is a disk.

use crate::handle::Shared;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A member is named in the log at most this often.
const WARNING_INTERVAL: Duration = Duration::from_secs(1);

/// What the log has not said yet; only members are blamed, so there are few.
#[derive(Debug, Default)]
pub struct Blames(Mutex<BTreeMap<u16, Warned>>);

#[derive(Clone, Copy, Debug)]
struct Warned {
    at: Instant,
    /// Since then, unsaid.
    unsaid: u64,
}

impl Blames {
    /// Notes one more, and says how many go unsaid before it, if it is to be logged now.
    fn note(&self, member: u16, now: Instant) -> Option<u64> {
        let mut warned = self.0.lock();
        match warned.get_mut(&member) {
            Some(one) if now.saturating_duration_since(one.at) < WARNING_INTERVAL => {
                one.unsaid += 1;
                None
            }
            other => {
                let unsaid = other.map_or(0, |one| one.unsaid);
                warned.insert(member, Warned { at: now, unsaid: 0 });
                Some(unsaid)
            }
        }
    }
}

impl Shared {
    /// Counts that a member broke a rule, and says so in the log.
    pub fn blame(&self, member: u16, what: &str) {
        self.metrics.blamed.inc();
        if let Some(unsaid) = self.blames.note(member, Instant::now()) {
            let name = self.name_of(member);
            tracing::warn!(member = %name, what, unsaid, "a peer broke a rule");
        }
        let mut peers = self.peers.write();
        if let Some(peer) = peers.iter_mut().find(|peer| peer.member == member) {
            peer.blamed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_named_once_a_second_and_what_was_unsaid_is_counted() {
        let blames = Blames::default();
        let start = Instant::now();
        let later = |ms| start + Duration::from_millis(ms);
        assert_eq!(blames.note(1, start), Some(0));
        assert_eq!(blames.note(1, later(1)), None);
        assert_eq!(blames.note(2, later(1)), Some(0), "another member");
        assert_eq!(blames.note(1, later(999)), None);
        assert_eq!(blames.note(1, later(1_000)), Some(2));
        assert_eq!(blames.note(1, later(1_001)), None);
    }
}
