//! Guards: who receives a token holds its guard from the comparison with the head until the head
//! has moved, which includes the wait for the disk. One guard a token, so that different tokens
//! never wait for each other; taken in sorted order, so that nobody waits in a ring.

use ledger::TokenId;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Parts of the table. Two tokens of one part share its mutex for one insertion, and nothing else.
const SHARDS: usize = 64;
/// Guards held at a time over all batches: 128 batches of one full transfer each.
pub const GUARDS_MAX: usize = 524_288;

#[derive(Default)]
struct Shard {
    held: Mutex<HashSet<TokenId>>,
    released: Condvar,
}

/// The table of guards that are held.
pub struct Guards {
    shards: Vec<Shard>,
    count: AtomicUsize,
    guards_max: usize,
}

/// Guards of some tokens, until dropped.
pub struct Held<'a> {
    guards: &'a Guards,
    /// Those taken so far, ascending.
    tokens: Vec<TokenId>,
    /// How many were announced to the bound.
    counted: usize,
}

impl Guards {
    /// An empty table for at most `guards_max` guards at a time.
    pub fn new(guards_max: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self { shards, count: AtomicUsize::new(0), guards_max }
    }

    /// Takes the guards of these tokens, in their order, waiting for each that somebody holds;
    /// `None`, at once and with nothing taken, when so many would be held over all.
    pub fn take(&self, tokens: &BTreeSet<TokenId>) -> Option<Held<'_>> {
        let counted = tokens.len();
        let before = self.count.fetch_add(counted, Ordering::SeqCst);
        let mut held = Held { guards: self, tokens: Vec::with_capacity(counted), counted };
        if before + counted > self.guards_max {
            return None;
        }
        for token in tokens {
            let shard = self.shard(token);
            let mut taken = shard.held.lock();
            while !taken.insert(*token) {
                shard.released.wait(&mut taken);
            }
            drop(taken);
            held.tokens.push(*token);
        }
        Some(held)
    }

    fn shard(&self, token: &TokenId) -> &Shard {
        &self.shards[usize::from(token.bytes()[1]) % SHARDS]
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for token in &self.tokens {
            let shard = self.guards.shard(token);
            let was_held = shard.held.lock().remove(token);
            assert!(was_held, "a guard is given back once");
            shard.released.notify_all();
        }
        self.guards.count.fetch_sub(self.counted, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::tests::token;
    use std::sync::mpsc;

    fn set(numbers: &[u8]) -> BTreeSet<TokenId> {
        numbers.iter().map(|number| token(*number)).collect()
    }

    #[test]
    fn one_token_has_one_holder_and_other_tokens_do_not_wait() {
        let guards = Guards::new(10);
        let first = guards.take(&set(&[1, 2])).expect("room");
        // Another token of any part is free at once: this would wait for ever otherwise.
        drop(guards.take(&set(&[3, 67, 131])).expect("room"));
        let (sender, receiver) = mpsc::sync_channel(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let second = guards.take(&set(&[0, 2])).expect("room");
                sender.send("second").expect("a receiver");
                drop(second);
            });
            while guards.count.load(Ordering::SeqCst) < 4 {
                std::thread::yield_now();
            }
            assert!(receiver.try_recv().is_err(), "token 2 is held");
            drop(first);
            assert_eq!(receiver.recv(), Ok("second"));
        });
        assert_eq!(guards.count.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn the_table_is_bounded_and_refuses_without_waiting() {
        let guards = Guards::new(3);
        let two = guards.take(&set(&[1, 2])).expect("room");
        assert!(guards.take(&set(&[3, 4])).is_none(), "four of three");
        assert!(guards.take(&set(&[3])).is_some(), "a refusal takes nothing");
        drop(two);
        assert!(guards.take(&set(&[1, 2, 3])).is_some());
    }

    #[test]
    fn overlapping_batches_in_sorted_order_never_lock_up() {
        let guards = Guards::new(100);
        let inside = Mutex::new(HashSet::new());
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let (guards, inside) = (&guards, &inside);
                scope.spawn(move || {
                    for round in 0..200u8 {
                        let numbers = [round % 5, (round + thread) % 5, 9 - thread];
                        let tokens = set(&numbers);
                        let held = guards.take(&tokens).expect("room");
                        for token in &tokens {
                            assert!(inside.lock().insert(*token), "alone with it");
                        }
                        for token in &tokens {
                            inside.lock().remove(token);
                        }
                        drop(held);
                    }
                });
            }
        });
    }
}
