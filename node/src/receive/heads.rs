//! The heads: for each token that concerns the wallet, what is known of its chain. A head moves by
//! compare-and-swap on its version: even at rest, odd while it is being moved.
//!
//! A reader never waits for a mover but for the few lines in which a chain is put in place. Who
//! finds a head moved since it looked decides again, at most [`MOVES_MAX`] times, and takes guards
//! then: nobody spins. A token that is not known yet gets its head under the lock of its shard.

use super::chain::Chain;
use ledger::TokenId;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Parts of the table, each with a lock of its own that is held for one look.
const SHARDS: usize = 64;
/// Tokens that a wallet keeps track of, about 400 bytes each.
pub const TOKENS_MAX: usize = 4_000_000;
/// How often a batch that takes no guards decides again before it takes them.
pub const MOVES_MAX: usize = 4;

/// One token's head.
#[derive(Default)]
pub struct Head {
    /// Twice the number of moves; one more while a move is under way.
    version: AtomicU64,
    /// `None` until the first move.
    chain: Mutex<Option<Arc<Chain>>>,
}

/// A head as it was seen.
#[derive(Clone)]
pub struct Seen {
    /// The head.
    pub head: Arc<Head>,
    /// Its version then.
    pub version: u64,
    /// Its chain then.
    pub chain: Option<Arc<Chain>>,
}

impl Head {
    /// Version and chain, of one moment.
    fn look(&self) -> (u64, Option<Arc<Chain>>) {
        let chain = self.chain.lock();
        // A mover that has claimed the head and not put its chain in place is ahead of us: with the
        // even version, our own move will fail.
        (self.version.load(Ordering::Acquire) & !1, chain.clone())
    }

    /// Claims the head if it has not moved since `version`.
    fn claim(&self, version: u64) -> bool {
        let claimed = self.version.compare_exchange(
            version,
            version | 1,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        claimed.is_ok()
    }

    fn unclaim(&self, version: u64) {
        self.version.store(version, Ordering::Release);
    }

    fn put(&self, version: u64, next: Arc<Chain>) {
        let mut chain = self.chain.lock();
        *chain = Some(next);
        self.version.store(version + 2, Ordering::Release);
    }
}

/// A head that moves: from what was seen to a new chain.
pub struct Move {
    /// What was seen when it was decided.
    pub seen: Seen,
    /// What comes.
    pub next: Arc<Chain>,
}

/// All heads.
pub struct Heads {
    shards: Vec<RwLock<HashMap<TokenId, Arc<Head>>>>,
    count: AtomicUsize,
    tokens_max: usize,
}

impl Heads {
    /// An empty table for at most `tokens_max` tokens.
    pub fn new(tokens_max: usize) -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { shards, count: AtomicUsize::new(0), tokens_max }
    }

    fn shard(&self, token: &TokenId) -> &RwLock<HashMap<TokenId, Arc<Head>>> {
        &self.shards[usize::from(token.bytes()[0]) % SHARDS]
    }

    /// The chain of a token; `None` for one that is not tracked.
    pub fn chain(&self, token: &TokenId) -> Option<Arc<Chain>> {
        let head = self.shard(token).read().get(token).cloned()?;
        head.look().1
    }

    /// A token's head as it stands, made if it is not there; `None` when the table is full.
    pub fn see(&self, token: &TokenId) -> Option<Seen> {
        let shard = self.shard(token);
        let known = shard.read().get(token).cloned();
        let head = match known {
            Some(head) => head,
            None => {
                let mut heads = shard.write();
                let is_full = self.count.load(Ordering::Relaxed) >= self.tokens_max;
                match heads.get(token) {
                    Some(head) => head.clone(),
                    None if is_full => return None,
                    None => {
                        self.count.fetch_add(1, Ordering::Relaxed);
                        heads.entry(*token).or_default().clone()
                    }
                }
            }
        };
        let (version, chain) = head.look();
        Some(Seen { head, version, chain })
    }

    /// Moves all of these heads, or none when one has moved since it was seen. `moves` are in
    /// ascending order of the tokens, so that two movers meet at the first head they share.
    pub fn move_all(&self, moves: &[Move]) -> bool {
        for (index, one) in moves.iter().enumerate() {
            if !one.seen.head.claim(one.seen.version) {
                for claimed in &moves[..index] {
                    claimed.seen.head.unclaim(claimed.seen.version);
                }
                return false;
            }
        }
        for one in moves {
            one.seen.head.put(one.seen.version, one.next.clone());
        }
        true
    }

    /// Tokens tracked.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::tests::{made, token};

    fn chain(height: u64) -> Arc<Chain> {
        let mut made = made(1);
        made.state.height = height;
        Arc::new(Chain::of(&made))
    }

    #[test]
    fn a_head_that_has_moved_since_it_was_seen_does_not_move() {
        let heads = Heads::new(10);
        let see = |number| heads.see(&token(number)).expect("room");
        let (one, two) = (see(1), see(2));
        assert!(heads.move_all(&[Move { seen: one.clone(), next: chain(1) }]));
        let late = [Move { seen: two.clone(), next: chain(7) }, Move { seen: one, next: chain(8) }];
        assert!(!heads.move_all(&late), "the first was moved meanwhile");
        assert_eq!(heads.chain(&token(2)), None, "then none of them moves");
        assert!(heads.move_all(&[Move { seen: two, next: chain(2) }]), "and none stays claimed");
        assert_eq!(heads.chain(&token(1)), Some(chain(1)));
        assert_eq!(see(2).version, 2);
    }

    #[test]
    fn the_table_is_bounded() {
        let heads = Heads::new(2);
        assert!(heads.see(&token(1)).is_some() && heads.see(&token(2)).is_some());
        assert!(heads.see(&token(3)).is_none(), "full");
        assert!(heads.see(&token(1)).is_some(), "known ones stay reachable");
        assert_eq!(heads.count(), 2);
    }

    #[test]
    fn movers_at_the_same_time_lose_no_move() {
        let heads = Heads::new(100);
        let moved = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let seen = [1, 2, 3].map(|n| heads.see(&token(n)).expect("room"));
                        let moves = seen.map(|seen| {
                            let height = seen.chain.as_ref().map_or(1, |chain| chain.top() + 1);
                            Move { seen, next: chain(height) }
                        });
                        moved.fetch_add(usize::from(heads.move_all(&moves)), Ordering::SeqCst);
                    }
                });
            }
        });
        let top = heads.chain(&token(1)).expect("moved").top();
        assert_eq!(usize::try_from(top).expect("small"), moved.into_inner());
        assert_eq!(heads.chain(&token(3)).map(|chain| chain.top()), Some(top));
    }
}
