//! What this node provides itself: the pin set, with a filter in memory before it.
//!
//! The filter is the set of the first 8 bytes of every pinned digest, 10 to 20 bytes a key. It
//! never misses a pin; on a hit the pin set is asked, so that what comes out is exact.

use std::collections::HashSet;

use crate::{ContentId, LIST_COUNT_MAX, PinError, Pins, StoreError};

#[derive(Default)]
pub(super) struct Own {
    prefixes: HashSet<u64>,
}

impl Own {
    /// The filter over all pins. Cost: a walk of the pin set, once at the start.
    ///
    /// # Errors
    /// As the pin set's store; a damaged pin is still one.
    pub fn load(pins: &dyn Pins) -> Result<Self, StoreError> {
        let mut own = Own::default();
        let mut after = None;
        // A list with a damaged pin fails as a whole: then it is walked one by one up to that pin.
        let mut damaged = None;
        loop {
            let count_max = if damaged.is_some() { 1 } else { LIST_COUNT_MAX };
            match pins.list(after, count_max) {
                Ok(page) => {
                    let Some(last) = page.last() else { return Ok(own) };
                    after = Some(last.id);
                    damaged = damaged.filter(|damaged| *damaged > last.id);
                    own.prefixes.extend(page.iter().map(|pin| prefix(&pin.id)));
                }
                Err(PinError::Corrupt { id }) if damaged == Some(id) => {
                    own.prefixes.insert(prefix(&id));
                    (after, damaged) = (after.max(Some(id)), None);
                }
                Err(PinError::Corrupt { id }) => damaged = Some(id),
                Err(PinError::Store(error)) => return Err(error),
                Err(PinError::Held { .. }) => return Err(StoreError::Damaged),
            }
        }
    }

    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// False: it is no pin. True: ask the pin set.
    pub fn may_hold(&self, key: &ContentId) -> bool {
        self.prefixes.contains(&prefix(key))
    }

    pub fn add(&mut self, key: &ContentId) {
        self.prefixes.insert(prefix(key));
    }

    pub fn remove(&mut self, key: &ContentId) {
        self.prefixes.remove(&prefix(key));
    }
}

/// Whether the keys are pinned: `is_own[i]` is for `keys[i]`; and how many could not be looked up.
/// A pin whose row is damaged is one: only its label is lost. When the store fails, it is not
/// known, and this node does not name itself.
pub(super) fn are_own(pins: &dyn Pins, keys: &[ContentId]) -> (Vec<bool>, usize) {
    if keys.is_empty() {
        return (Vec::new(), 0);
    }
    if let Ok(are_pinned) = pins.are_pinned(keys) {
        return (are_pinned, 0);
    }
    let mut failed = 0;
    let is_own = |key: &ContentId| match pins.are_pinned(&[*key]) {
        Ok(is_pinned) => is_pinned == [true],
        Err(PinError::Corrupt { .. }) => true,
        Err(_) => {
            failed += 1;
            false
        }
    };
    (keys.iter().map(is_own).collect(), failed)
}

/// Whether any pin has the key's prefix. Cost: one row of the pin set. Not known counts as yes: the
/// filter may say yes too often, never too seldom.
pub(super) fn has_prefix(pins: &dyn Pins, key: &ContentId) -> bool {
    let before = prefix(key).checked_sub(1).map(|before| {
        let mut digest = [0xff; 32];
        digest[..8].copy_from_slice(&before.to_be_bytes());
        ContentId::from_digest(digest)
    });
    match pins.list(before, 1) {
        Ok(page) => page.first().is_some_and(|pin| prefix(&pin.id) == prefix(key)),
        Err(_) => true,
    }
}

fn prefix(key: &ContentId) -> u64 {
    u64::from_be_bytes(*key.digest().first_chunk().expect("a digest has 32 bytes"))
}
