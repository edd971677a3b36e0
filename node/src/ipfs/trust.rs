//! Which providers have shown proofs, and which have not: who is asked first the next time. It only
//! orders; nobody is left out for good, because who is named as a provider need not have said so.

use ipfs_adapter::{PeerId, Provider};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Providers remembered; when it is full, those with the least trust make room.
pub const PROVIDERS_MAX: usize = 4_096;
/// Trust is counted from -8 to 8.
const TRUST_MAX: i8 = 8;

/// Trust in providers, by what they have shown.
#[derive(Debug, Default)]
pub struct Trust {
    known: Mutex<HashMap<PeerId, i8>>,
}

impl Trust {
    /// A provider has shown a valid proof, or none.
    pub fn note(&self, peer: PeerId, is_good: bool) {
        let mut known = self.known.lock();
        if known.len() >= PROVIDERS_MAX && !known.contains_key(&peer) {
            known.retain(|_, trust| *trust > 0);
            if known.len() >= PROVIDERS_MAX {
                return;
            }
        }
        let trust = known.entry(peer).or_insert(0);
        *trust = if is_good { (*trust + 2).min(TRUST_MAX) } else { (*trust - 1).max(-TRUST_MAX) };
    }

    /// Orders providers: those who have proven most come first; strangers before those who have
    /// shown nothing.
    pub fn best_first(&self, providers: &mut [Provider]) {
        let known = self.known.lock();
        providers.sort_by_key(|one| -i16::from(known.get(&one.peer).copied().unwrap_or(0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(peer: PeerId) -> Provider {
        Provider { peer, addresses: Vec::new() }
    }

    #[test]
    fn who_has_proven_is_asked_first_and_nobody_is_left_out() {
        let [good, stranger, bad] = [PeerId::random(), PeerId::random(), PeerId::random()];
        let trust = Trust::default();
        trust.note(good, true);
        (0..200).for_each(|_| trust.note(bad, false));
        let mut order = [bad, stranger, good].map(provider);
        trust.best_first(&mut order);
        assert_eq!(order.map(|one| one.peer), [good, stranger, bad]);
        (0..10).for_each(|_| trust.note(bad, true));
        let mut order = [good, bad].map(provider);
        trust.best_first(&mut order);
        assert_eq!(order[0].peer, bad, "trust can be won back");
    }

    #[test]
    fn it_is_bounded_and_keeps_who_has_proven() {
        let (trust, good) = (Trust::default(), PeerId::random());
        trust.note(good, true);
        (0..2 * PROVIDERS_MAX).for_each(|_| trust.note(PeerId::random(), false));
        assert!(trust.known.lock().len() <= PROVIDERS_MAX);
        assert!(trust.known.lock().contains_key(&good));
    }
}
