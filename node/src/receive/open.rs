//! Opening what a wallet has received: the genesis tokens of its addresses, then every record of
//! its journal, in order. Nothing else is read, and no signature is checked again: the records are
//! chained by hash, and were verified before they were written.

use super::book::{Book, RECEIPTS_KEPT_MAX};
use super::guard::{GUARDS_MAX, Guards};
use super::heads::{Heads, TOKENS_MAX};
use super::overtaken::overtaken;
use super::plan::{Decision, Plan};
use super::record::{FORK_KIND, Fork, OVERTAKEN_KIND, RECEIVED_KIND, read_received};
use super::verify::{CERTIFICATES_MAX, Verifier};
use super::{Counts, Forks, Receiver};
use crate::journal::{self, Journal, JournalError, Location};
use ledger::{Address, Canonical, DecodeError, Network, Receipt, TokenId};
use parking_lot::RwLock;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How a receiver is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Threads that verify; 0 takes one a core.
    pub threads: usize,
}

/// Why what was received can't be opened.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OpenError {
    /// The journal.
    #[error("the journal: {0}")]
    Journal(#[from] JournalError),
    /// A record that does not decode.
    #[error("the record at {at} does not decode: {error}")]
    Record {
        /// Where it is.
        at: Location,
        /// Why.
        error: DecodeError,
    },
    /// The threads can't be started.
    #[error("no threads: {0}")]
    Threads(io::ErrorKind),
}

/// What replaying finds wrong, kept until the journal is read.
struct Replay<'a> {
    heads: &'a Heads,
    book: &'a Book,
    hosted: &'a BTreeSet<Address>,
    forks: Forks,
    failed: Option<OpenError>,
    /// Receipts and genesis tokens that found no room.
    full: u64,
}

impl Receiver {
    /// Opens the journal in `home/received`, or makes one, and rebuilds everything from it. A
    /// damaged journal is set aside where it is damaged: what is lost comes again from the
    /// validators.
    ///
    /// # Errors
    /// Every [`OpenError`].
    pub fn open(
        home: &Path,
        network: Arc<Network>,
        hosted: BTreeSet<Address>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let (heads, book) = (Heads::new(TOKENS_MAX), Book::new(RECEIPTS_KEPT_MAX));
        let full = grant(&network, &heads, &book, &hosted);
        let forks = Forks::default();
        let mut replay =
            Replay { heads: &heads, book: &book, hosted: &hosted, forks, failed: None, full };
        let mut how = journal::Options::new(*network.id.bytes());
        how.create = true;
        how.accept_damage = true;
        let dir = home.join("received");
        let (journal, opened) = Journal::open(&dir, how, &mut |at, kind, payload| {
            replay.record(at, kind, payload);
        })?;
        if let Some(damage) = opened.damage {
            tracing::error!(%damage, "what was received is damaged; the rest comes again");
        }
        let Replay { forks, failed, full, .. } = replay;
        if let Some(error) = failed {
            return Err(error);
        }
        let threads = |error: io::Error| OpenError::Threads(error.kind());
        let verifier = Verifier::new(network.clone(), options.threads, CERTIFICATES_MAX);
        let verifier = verifier.map_err(threads)?;
        let (forks, guards) = (RwLock::new(forks), Guards::new(GUARDS_MAX));
        let counts = Counts { full: full.into(), ..Counts::default() };
        Ok(Self { network, hosted, heads, guards, book, verifier, forks, counts, journal })
    }
}

/// The genesis tokens of the hosted addresses: the genesis file is their proof. How many found no
/// room.
fn grant(network: &Network, heads: &Heads, book: &Book, hosted: &BTreeSet<Address>) -> u64 {
    let mut tokens: Vec<TokenId> = Vec::new();
    let mut full = 0;
    for made in network.tokens().filter(|made| hosted.contains(&made.owner)) {
        let Some(seen) = heads.see(&made.state.token) else {
            full += 1;
            continue;
        };
        let next = Arc::new(super::chain::Chain::of(&made));
        assert!(heads.move_all(&[super::heads::Move { seen, next }]), "nobody else is here yet");
        tokens.push(made.state.token);
    }
    book.refresh(&tokens, heads, hosted);
    full
}

impl Replay<'_> {
    fn record(&mut self, at: Location, kind: u8, payload: &[u8]) {
        let done = match kind {
            RECEIVED_KIND => read_received(payload).map(|receipts| self.received(at, &receipts)),
            FORK_KIND => Fork::from_bytes(payload).map(|fork| {
                self.forks.refused.insert(fork.second.entry.signed.transfer.id());
                self.forks.kept.push(fork);
            }),
            OVERTAKEN_KIND => read_received(payload).map(|receipts| self.overtaken(&receipts)),
            // Written by a newer version: what it says comes again from the validators.
            _ => Ok(()),
        };
        if let Err(error) = done {
            self.failed.get_or_insert(OpenError::Record { at, error });
        }
    }

    /// A batch as it was received. With other hosted addresses than then, a receipt may not concern
    /// the wallet any more, or wait for others; it is kept all the same, and may come again.
    fn received(&mut self, at: Location, receipts: &[Receipt]) {
        let mut plan = Plan::new(self.heads, self.hosted);
        let mut places = Vec::with_capacity(receipts.len());
        let mut idle = Vec::new();
        for (index, receipt) in (0u32..).zip(receipts) {
            let transfer = &receipt.entry.signed.transfer;
            let id = transfer.id();
            let decision = plan.decide(transfer, id);
            match decision {
                Decision::New => places.push((id, (at, index))),
                _ => idle.push((id, (at, index))),
            }
            self.full += u64::from(decision == Decision::Full);
        }
        let (tokens, moves) = plan.moves();
        assert!(self.heads.move_all(&moves), "nobody else is here yet");
        self.book.keep(places);
        self.book.keep_idle(idle);
        self.book.refresh(&tokens, self.heads, self.hosted);
    }
    /// Receipts that prove heads spent, as they stand at this place of the journal.
    fn overtaken(&mut self, receipts: &[Receipt]) {
        for receipt in receipts {
            let mut lowest = overtaken(receipt, self.heads);
            lowest.retain(|(token, _)| self.book.is_owned(token));
            self.book.overtake(&lowest, self.heads, self.hosted);
        }
    }
}
