//! Answers that are remembered for a while: providers for a minute, a complete "nobody" for some
//! seconds. Bounded in entries and in providers; the oldest goes first. An incomplete "nobody" is
//! never kept: not known is not no.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use super::{KeyAnswer, Provider};
use crate::ContentId;

/// Entries; about 10 MB when each is a miss.
pub const CACHE_ENTRIES_MAX: usize = 65_536;
/// Providers in all entries together, which bounds the bytes.
pub const CACHE_PROVIDERS_MAX: usize = 65_536;
/// No time to live is longer, whatever the configuration says.
pub const TTL_MAX: Duration = Duration::from_secs(600);
/// How long providers are believed.
pub const POSITIVE_TTL: Duration = Duration::from_secs(60);
/// How long "nobody" is believed.
pub const NEGATIVE_TTL: Duration = Duration::from_secs(3);

/// What is known of one key.
#[derive(Clone, Debug)]
struct Entry {
    number: u64,
    expires: Instant,
    /// Empty: nobody has it.
    providers: Box<[Provider]>,
    replies: u16,
    is_complete: bool,
}

/// The cache. Nothing walks its map, so its order does not matter.
#[derive(Debug)]
pub struct Cache {
    entries: HashMap<ContentId, Entry>,
    /// In order of insertion; numbers that no entry has any more are skipped.
    order: VecDeque<(u64, ContentId)>,
    provider_count: usize,
    numbers: u64,
    positive_ttl: Duration,
    negative_ttl: Duration,
    entries_max: usize,
}

impl Cache {
    /// Times to live beyond [`TTL_MAX`] are cut to it.
    pub fn new(positive_ttl: Duration, negative_ttl: Duration) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            provider_count: 0,
            numbers: 0,
            positive_ttl: positive_ttl.min(TTL_MAX),
            negative_ttl: negative_ttl.min(TTL_MAX),
            entries_max: CACHE_ENTRIES_MAX,
        }
    }

    /// The answer for this key, if one is kept that has not expired.
    pub fn answer(&self, key: &ContentId, now: Instant, providers_max: usize) -> Option<KeyAnswer> {
        let entry = self.entries.get(key).filter(|entry| entry.expires > now)?;
        Some(KeyAnswer {
            providers: entry.providers.iter().take(providers_max).cloned().collect(),
            replies: entry.replies,
            failures: 0,
            is_complete: entry.is_complete,
            is_cached: true,
        })
    }

    /// Keeps an answer, unless it says nothing (incomplete and without providers).
    pub fn insert(
        &mut self,
        key: ContentId,
        providers: &[Provider],
        (replies, is_complete): (u16, bool),
        now: Instant,
    ) {
        let ttl = if providers.is_empty() { self.negative_ttl } else { self.positive_ttl };
        if (providers.is_empty() && !is_complete) || ttl.is_zero() {
            return;
        }
        self.numbers += 1;
        let (number, expires) = (self.numbers, now + ttl);
        let entry = Entry { number, expires, providers: providers.into(), replies, is_complete };
        self.provider_count += providers.len();
        if let Some(old) = self.entries.insert(key, entry) {
            self.provider_count -= old.providers.len();
        }
        self.order.push_back((number, key));
        self.shrink();
    }

    /// Forgets the key.
    pub fn invalidate(&mut self, key: &ContentId) {
        if let Some(old) = self.entries.remove(key) {
            self.provider_count -= old.providers.len();
        }
        self.shrink();
    }

    /// How many answers are kept, expired ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Drops the oldest until the limits hold. `order` keeps at most as many stale numbers as
    /// there may be entries.
    fn shrink(&mut self) {
        while self.entries.len() > self.entries_max
            || self.provider_count > CACHE_PROVIDERS_MAX
            || self.order.len() > self.entries_max.saturating_mul(2)
        {
            let Some((number, key)) = self.order.pop_front() else { return };
            if self.entries.get(&key).is_some_and(|entry| entry.number == number) {
                let old = self.entries.remove(&key).expect("it was there a line above");
                self.provider_count -= old.providers.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;

    use super::*;

    fn key(number: u64) -> ContentId {
        ContentId::of(&number.to_be_bytes())
    }

    fn providers(count: usize) -> Vec<Provider> {
        (0..count).map(|_| Provider { peer: PeerId::random(), addresses: vec![] }).collect()
    }

    fn cache() -> (Cache, Instant) {
        (Cache::new(POSITIVE_TTL, NEGATIVE_TTL), Instant::now())
    }

    #[test]
    fn answers_expire_each_at_its_time() {
        let (mut cache, now) = cache();
        cache.insert(key(1), &providers(3), (2, false), now);
        cache.insert(key(2), &[], (2, true), now);
        let found = cache.answer(&key(1), now, 2).expect("it was kept");
        assert_eq!((found.providers.len(), found.is_cached, found.is_complete), (2, true, false));
        assert!(cache.answer(&key(2), now, 1).expect("it was kept").is_complete);
        assert_eq!(cache.answer(&key(2), now + NEGATIVE_TTL, 1), None);
        assert!(cache.answer(&key(1), now + NEGATIVE_TTL, 1).is_some());
        assert_eq!(cache.answer(&key(1), now + POSITIVE_TTL, 1), None);
    }

    #[test]
    fn an_incomplete_miss_is_not_kept() {
        let (mut cache, now) = cache();
        cache.insert(key(1), &[], (1, false), now);
        assert!(cache.is_empty());
    }

    #[test]
    fn an_invalidated_key_is_forgotten_either_way() {
        let (mut cache, now) = cache();
        cache.insert(key(1), &providers(1), (2, true), now);
        cache.insert(key(2), &[], (2, true), now);
        cache.invalidate(&key(1));
        cache.invalidate(&key(2));
        assert!(cache.is_empty());
        assert_eq!(cache.provider_count, 0);
    }

    #[test]
    fn times_to_live_are_cut_to_the_longest() {
        let now = Instant::now();
        let mut cache = Cache::new(TTL_MAX * 2, TTL_MAX * 2);
        cache.insert(key(1), &[], (2, true), now);
        assert_eq!(cache.answer(&key(1), now + TTL_MAX, 1), None);
    }

    #[test]
    fn over_the_brim_the_oldest_goes() {
        let (mut cache, now) = cache();
        for number in 0..=65_536 {
            cache.insert(key(number), &[], (2, true), now);
        }
        assert_eq!(cache.len(), CACHE_ENTRIES_MAX);
        assert_eq!(cache.answer(&key(0), now, 1), None);
        assert!(cache.answer(&key(65_536), now, 1).is_some());
        for _ in 0..200_000 {
            cache.insert(key(65_536), &[], (2, true), now);
        }
        assert!(cache.order.len() <= 2 * CACHE_ENTRIES_MAX);
    }

    #[test]
    fn providers_are_bounded_too() {
        let (mut cache, now) = cache();
        let many = providers(20);
        for number in 0..4_000 {
            cache.insert(key(number), &many, (2, true), now);
        }
        assert!(cache.provider_count <= CACHE_PROVIDERS_MAX);
        assert!(cache.len() >= CACHE_PROVIDERS_MAX / 20 - 1);
    }
}
