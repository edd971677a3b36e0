//! Receiving (PROTOCOL section 7): delivered receipts become what hosted addresses own, batch by
//! batch, durable before anything moves, and nothing half-received.
//!
//! ```text
//!  receipts ─▶ known already? ─▶ verify (all cores; each certificate once) ─▶ guards, sorted
//!     ─▶ plan: compare with each token's head: new | old | gap | fork ─▶ journal: one record
//!     ─▶ durable ─▶ heads move (compare-and-swap) ─▶ book ─▶ guards go
//! ```
//!
//! | found | what happens |
//! |---|---|
//! | new | kept, and all its tokens that concern the wallet move together |
//! | duplicate, old | nothing |
//! | gap | heads that it proves spent leave the balance; the caller fetches what is missing |
//! | fork | refused; both receipts are kept as evidence |
//!
//! Who receives: `hosting` (a wallet node). What it does not do: fetch, wait for anybody but its
//! own disk, hold a key. Everything here is rebuilt from the journal alone at the next start.
//! Every method may be called from many threads; [`Receiver::receive`] blocks for a sync.

pub mod book;
pub mod chain;
pub mod guard;
pub mod heads;
mod open;
mod outcome;
mod overtaken;
pub mod plan;
pub mod record;
pub mod verify;

use crate::journal::{Journal, JournalError};
use book::{Book, ReceiptPlace};
use guard::{Guards, Held};
use heads::{Heads, MOVES_MAX};
use ledger::{Address, Network, Receipt, TokenId, TokenState, TransferId, VerifiedReceipt};
use parking_lot::RwLock;
use plan::{Decision, Plan};
use record::{FORK_KIND, Fork, RECEIPTS_MAX, RECEIVED_KIND};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};
use verify::Verifier;

pub use open::{OpenError, Options};
pub use outcome::{Counts, Exclusion, Outcome, ReceiveError};

/// How long a batch waits for the disk before it is taken for dead.
const DISK_WAIT: Duration = Duration::from_secs(10);
/// Forks kept as evidence; one alone says that more than f validators are Byzantine.
pub const FORKS_MAX: usize = 1_024;

/// All that a wallet has received, and the way in.
pub struct Receiver {
    network: Arc<Network>,
    hosted: BTreeSet<Address>,
    heads: Heads,
    guards: Guards,
    book: Book,
    verifier: Verifier,
    forks: RwLock<Forks>,
    /// Counters.
    pub counts: Counts,
    journal: Journal,
}

#[derive(Default)]
struct Forks {
    kept: Vec<Fork>,
    /// Transfers that were refused for a fork.
    refused: BTreeSet<TransferId>,
}

/// A state, and the transfer that has spent it.
type Spent = (TokenState, TransferId);

/// Receipts by their index in the batch, with what becomes of them.
type Decided = Vec<(usize, Outcome)>;

/// What of a batch is in the journal, whether its heads have moved or not.
#[derive(Default)]
struct Written {
    places: HashMap<TransferId, ReceiptPlace>,
    newest: Option<u64>,
}

impl Receiver {
    /// Receives a batch: `outcomes[i]` is for `receipts[i]`. When it returns, what is `New` is
    /// durable and owned. Blocks for the disk and for other batches with the same tokens.
    ///
    /// # Errors
    /// Every [`ReceiveError`]; then nothing of the batch was received, or it was and the disk did
    /// not say so: giving it again is always safe.
    pub fn receive(
        &self,
        receipts: Vec<Receipt>,
        exclusion: Exclusion,
    ) -> Result<Vec<Outcome>, ReceiveError> {
        if receipts.len() > RECEIPTS_MAX {
            return Err(ReceiveError::TooMany { found: receipts.len() });
        }
        let (mut outcomes, verified) = self.verified(receipts);
        let mut order: Vec<usize> = verified.keys().copied().collect();
        // Lower states first: what joins on is then there before what joins on to it.
        order.sort_by_key(|index| lowest(&verified[index]));
        let held = match exclusion {
            Exclusion::Guards => Some(self.guard(&verified)?),
            Exclusion::CompareAndSwap => None,
        };
        let decided = self.take(&verified, &order, held)?;
        self.overtake(&verified, &decided)?;
        for (index, outcome) in decided {
            outcomes[index] = Some(outcome);
        }
        let outcomes: Vec<Outcome> =
            outcomes.into_iter().map(|outcome| outcome.expect("each was decided")).collect();
        self.counts.add(&outcomes);
        Ok(outcomes)
    }

    /// Those of these receipts that hold; nothing is received.
    pub fn verify(&self, receipts: Vec<Receipt>) -> Vec<Receipt> {
        let verified = self.verifier.verify(receipts).into_iter();
        verified.filter_map(|one| one.ok().map(VerifiedReceipt::into_receipt)).collect()
    }

    /// Sorts out what is known already, and verifies the rest.
    fn verified(
        &self,
        receipts: Vec<Receipt>,
    ) -> (Vec<Option<Outcome>>, BTreeMap<usize, VerifiedReceipt>) {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; receipts.len()];
        let mut fresh = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, receipt) in receipts.into_iter().enumerate() {
            let id = receipt.entry.signed.transfer.id();
            if self.has(&id) {
                outcomes[index] = Some(Outcome::Duplicate);
            } else if self.forks.read().refused.contains(&id) {
                outcomes[index] = Some(Outcome::Fork);
            } else if seen.insert((id, receipt.entry.signed.signature)) {
                fresh.push((index, receipt));
            } else {
                outcomes[index] = Some(Outcome::Duplicate);
            }
        }
        let (indexes, receipts): (Vec<usize>, Vec<Receipt>) = fresh.into_iter().unzip();
        let mut verified = BTreeMap::new();
        for (index, result) in indexes.into_iter().zip(self.verifier.verify(receipts)) {
            match result {
                Ok(receipt) => drop(verified.insert(index, receipt)),
                Err(error) => outcomes[index] = Some(Outcome::Refused(error)),
            }
        }
        (outcomes, verified)
    }

    fn guard(&self, verified: &BTreeMap<usize, VerifiedReceipt>) -> Result<Held<'_>, ReceiveError> {
        let tokens: BTreeSet<TokenId> = verified
            .values()
            .flat_map(|one| plan::tokens(one.transfer().transfer(), one.id(), &self.hosted))
            .collect();
        self.guards.take(&tokens).ok_or(ReceiveError::Busy)
    }

    /// Plans, writes, moves; again when a head has moved meanwhile.
    fn take<'a>(
        &'a self,
        verified: &BTreeMap<usize, VerifiedReceipt>,
        order: &[usize],
        mut held: Option<Held<'a>>,
    ) -> Result<Vec<(usize, Outcome)>, ReceiveError> {
        let mut written = Written::default();
        for attempt in 0_usize.. {
            if attempt >= MOVES_MAX && held.is_none() {
                held = Some(self.guard(verified)?);
            }
            let mut plan = Plan::new(&self.heads, &self.hosted);
            let (decided, forks) = self.decide_all(&mut plan, verified, order);
            self.write(verified, &decided, &mut written)?;
            let (tokens, moves) = plan.moves();
            if !self.heads.move_all(&moves) {
                continue;
            }
            let place = |index: &usize| {
                let id = verified[index].id();
                Some((id, *written.places.get(&id)?))
            };
            let new = decided.iter().filter(|(_, outcome)| *outcome == Outcome::New);
            self.book.keep(new.filter_map(|(index, _)| place(index)));
            self.book.refresh(&tokens, &self.heads, &self.hosted);
            for (index, (state, other)) in forks {
                self.keep_fork(state, other, &verified[&index])?;
            }
            drop(held);
            return Ok(decided);
        }
        unreachable!("with guards, only {MOVES_MAX} moves of each other batch come between")
    }

    /// All receipts against the plan: what waits for another of the batch comes after it. In the
    /// order in which they were decided, which is the order of the record.
    fn decide_all(
        &self,
        plan: &mut Plan<'_>,
        verified: &BTreeMap<usize, VerifiedReceipt>,
        order: &[usize],
    ) -> (Decided, Vec<(usize, Spent)>) {
        let mut decided = Vec::with_capacity(order.len());
        let mut forks = Vec::new();
        let mut waiting = order.to_vec();
        loop {
            let before = waiting.len();
            let mut gaps = Vec::new();
            for index in waiting {
                match self.decide(plan, &verified[&index]) {
                    (gap @ Outcome::Gap(_), _) => gaps.push((index, gap)),
                    (outcome, fork) => {
                        forks.extend(fork.map(|fork| (index, fork)));
                        decided.push((index, outcome));
                    }
                }
            }
            if gaps.len() == before || gaps.is_empty() {
                decided.extend(gaps);
                return (decided, forks);
            }
            waiting = gaps.into_iter().map(|(index, _)| index).collect();
        }
    }

    /// One receipt against the plan; of a fork, the state and the other spender.
    fn decide(&self, plan: &mut Plan<'_>, one: &VerifiedReceipt) -> (Outcome, Option<Spent>) {
        let id = one.id();
        if self.has(&id) {
            return (Outcome::Duplicate, None);
        }
        if !self.book.has_room(1) {
            return (Outcome::Full, None);
        }
        match plan.decide(one.transfer().transfer(), id) {
            Decision::New => (Outcome::New, None),
            Decision::Old => (Outcome::Old, None),
            Decision::Foreign => (Outcome::Foreign, None),
            Decision::Full => (Outcome::Full, None),
            Decision::Fork { state, other } => (Outcome::Fork, Some((state, other))),
            Decision::Gap(missing) => {
                let forks = self.forks.read();
                let missing = missing.into_iter().filter(|id| !self.has(id)).collect::<Vec<_>>();
                // What joins on to the refused side of a fork is refused with it.
                let is_on_fork = missing.iter().any(|id| forks.refused.contains(id));
                let outcome = if is_on_fork { Outcome::Fork } else { Outcome::Gap(missing) };
                (outcome, None)
            }
        }
    }

    /// Makes the new receipts durable with one record.
    fn write(
        &self,
        verified: &BTreeMap<usize, VerifiedReceipt>,
        decided: &[(usize, Outcome)],
        written: &mut Written,
    ) -> Result<(), ReceiveError> {
        let new = decided.iter().filter(|(_, outcome)| *outcome == Outcome::New);
        let new = new.map(|(index, _)| &verified[index]);
        let (ids, receipts): (Vec<TransferId>, Vec<Receipt>) = new
            .filter(|one| !written.places.contains_key(&one.id()))
            .map(|one| (one.id(), one.receipt().clone()))
            .unzip();
        if !ids.is_empty() {
            let ticket = self.journal.append(RECEIVED_KIND, record::received(&receipts))?;
            written.newest = Some(ticket.sequence);
            let places = (0u32..).map(|index| (ticket.location, index));
            written.places.extend(ids.into_iter().zip(places));
        }
        if let Some(newest) = written.newest {
            self.journal.wait_durable(newest, Instant::now() + DISK_WAIT)?;
        }
        Ok(())
    }

    /// Keeps the evidence of a fork, durably; repeats and what is beyond the bound are not.
    fn keep_fork(
        &self,
        state: TokenState,
        other: TransferId,
        second: &VerifiedReceipt,
    ) -> Result<(), ReceiveError> {
        let Some(first) = self.receipt(&other)? else {
            tracing::error!(%other, "a fork whose first receipt is not kept here any more");
            return Ok(());
        };
        let fork = Fork { state, first, second: second.receipt().clone() };
        let is_kept = {
            let mut forks = self.forks.write();
            let is_new = forks.kept.len() < FORKS_MAX && forks.refused.insert(second.id());
            if is_new {
                forks.kept.push(fork.clone());
            }
            is_new
        };
        if is_kept {
            tracing::error!(token = %state.token, "two final transfers spend one state");
            let bytes = ledger::Canonical::to_bytes(&fork);
            let ticket = self.journal.append(FORK_KIND, bytes)?;
            self.journal.wait_durable(ticket.sequence, Instant::now() + DISK_WAIT)?;
        }
        Ok(())
    }

    /// Whether a transfer's receipt was received.
    pub fn has(&self, id: &TransferId) -> bool {
        self.book.has(id)
    }

    /// A receipt that was received.
    ///
    /// # Errors
    /// The journal's; a record that does not decode.
    pub fn receipt(&self, id: &TransferId) -> Result<Option<Receipt>, JournalError> {
        let Some((location, index)) = self.book.place(id) else { return Ok(None) };
        let (_, payload) = self.journal.read(location)?;
        let bad = |_| JournalError::BadRecord { location };
        let receipts = record::read_received(&payload).map_err(bad)?;
        let index = usize::try_from(index).expect("32 bits fit a usize here");
        Ok(receipts.into_iter().nth(index))
    }

    /// The addresses that are hosted.
    pub fn hosted(&self) -> &BTreeSet<Address> {
        &self.hosted
    }

    /// The network.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Where tokens stand.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    /// What hosted addresses own.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// The forks found, oldest first.
    pub fn forks(&self) -> Vec<Fork> {
        self.forks.read().kept.clone()
    }

    /// Certificates whose votes were checked since the start.
    pub fn certificates_checked(&self) -> u64 {
        self.verifier.certificates_checked()
    }

    /// Why some receipts were not received: there is no room, and there won't be.
    pub fn full(&self) -> Option<String> {
        let refused = self.counts.full.load(std::sync::atomic::Ordering::Relaxed);
        (refused > 0).then(|| {
            format!(
                "{refused} receipts or genesis tokens found no room: a wallet keeps {} tokens and \
                 {} receipts; balances lack them; host fewer addresses in one node",
                heads::TOKENS_MAX,
                book::RECEIPTS_KEPT_MAX
            )
        })
    }

    /// The failure after which nothing is received any more.
    pub fn failed(&self) -> Option<String> {
        self.journal.watch().borrow().failed.map(|failure| failure.to_string())
    }
}

/// The lowest height that a transfer spends.
fn lowest(one: &VerifiedReceipt) -> u64 {
    let inputs = one.transfer().transfer().inputs.iter();
    inputs.map(|input| input.state.height).min().unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests;
