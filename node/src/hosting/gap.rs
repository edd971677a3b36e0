//! Filling gaps: a receipt that does not join on to what is known names the transfer before it, and
//! that one's receipt the one before; they are fetched backwards, link by link, until one joins on,
//! and received together. Each is verified like any other. Nothing is guessed. What is longer than
//! one fill walks back is told, and walked forwards from the head (`look_up`).

use super::Hosting;
use super::fetch::{Then, fetch};
use crate::receive::Outcome;
use ledger::{Canonical, Receipt, TokenState, TransferId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;

/// Links walked back at a time; a longer gap is walked forwards from the known head.
const ROUNDS_MAX: usize = 1_024;
/// Receipts in memory while gaps are filled, a few KiB each; further ones wait for the next drain.
pub(super) const PENDING_MAX: usize = 4_096;

/// Bytes of receipts that are received at once, half of a journal's record, unless one alone is
/// longer.
const PIECE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What came of filling.
#[derive(Default)]
pub(super) struct Filled {
    /// Receipts received.
    pub(super) received: usize,
    /// Receipts that hold and still wait for others.
    pub(super) waiting: BTreeSet<TransferId>,
    /// The heads that these lie above: what moved them on is to be looked up.
    pub(super) heads: BTreeSet<TokenState>,
}

/// Fetches what these receipts wait for, and them again, until the deadline.
pub(super) async fn fill(
    hosting: &Arc<Hosting>,
    gaps: BTreeMap<TransferId, Vec<TransferId>>,
    until: Instant,
) -> Filled {
    let mut filled = Filled::default();
    if gaps.is_empty() {
        return filled;
    }
    let mut pending: BTreeMap<TransferId, Receipt> = BTreeMap::new();
    let mut wanted: BTreeSet<TransferId> = gaps.keys().copied().collect();
    wanted.extend(gaps.values().flatten());
    for _ in 0..ROUNDS_MAX {
        wanted.retain(|id| !pending.contains_key(id) && !hosting.receiver.has(id));
        let room = PENDING_MAX.saturating_sub(pending.len());
        let asked: Vec<_> = wanted.iter().take(room).map(|id| (*id, None)).collect();
        let news: Vec<Receipt> = fetch(hosting, asked, Then::Keep, until).await.receipts;
        if news.is_empty() {
            break;
        }
        // The newest links tell what is still missing; when one joins on, all follow.
        let (joined, missing) = present(hosting, &news).await;
        let named = news.into_iter().map(|receipt| (receipt.entry.signed.transfer.id(), receipt));
        pending.extend(named);
        filled.received += joined;
        wanted = missing;
        if joined > 0 && !pending.is_empty() {
            let all: Vec<Receipt> = pending.values().cloned().collect();
            let (joined, missing) = present(hosting, &all).await;
            filled.received += joined;
            wanted.extend(missing);
        }
        pending.retain(|id, _| !hosting.receiver.has(id));
        if pending.is_empty() || wanted.is_empty() {
            break;
        }
    }
    // What is in nobody's way any more, because others went ahead of it, waits for nothing.
    for (id, receipt) in &pending {
        let above: Vec<TokenState> = heads_below(hosting, receipt);
        if !above.is_empty() {
            filled.waiting.insert(*id);
            filled.heads.extend(above);
        }
    }
    if let Some(first) = filled.waiting.first() {
        let count = filled.waiting.len();
        tracing::warn!(%first, count, "receipts wait for links that are missing");
    }
    filled
}

/// The heads known here that a receipt's transfer lies above.
fn heads_below(hosting: &Hosting, receipt: &Receipt) -> Vec<TokenState> {
    let inputs = receipt.entry.signed.transfer.inputs.iter();
    let below = inputs.filter_map(|input| {
        let token = input.state.token;
        let chain = hosting.receiver.heads().chain(&token)?;
        (chain.top() < input.state.height).then(|| chain.head(token).0)
    });
    below.collect()
}

/// Tries to receive these; how many were, and the ids that others of them wait for.
pub(super) async fn present(
    hosting: &Arc<Hosting>,
    receipts: &[Receipt],
) -> (usize, BTreeSet<TransferId>) {
    let mut sorted: Vec<&Receipt> = receipts.iter().collect();
    sorted.sort_by_key(|receipt| highest(receipt));
    let (mut joined, mut missing) = (0, BTreeSet::new());
    for piece in pieces(&sorted) {
        match hosting.receive(piece).await {
            Ok(outcomes) => {
                for outcome in outcomes {
                    match outcome {
                        Outcome::New => joined += 1,
                        Outcome::Gap(ids) => missing.extend(ids),
                        _ => {}
                    }
                }
            }
            Err(error) => tracing::error!(%error, "a batch was not received"),
        }
    }
    (joined, missing)
}

/// The highest state that a receipt's transfer spends.
fn highest(receipt: &Receipt) -> u64 {
    let inputs = receipt.entry.signed.transfer.inputs.iter();
    inputs.map(|input| input.state.height).max().unwrap_or_default()
}

/// In this order, cut so that each piece fits a record of the journal.
fn pieces(receipts: &[&Receipt]) -> Vec<Vec<Receipt>> {
    let mut pieces: Vec<Vec<Receipt>> = Vec::new();
    let mut bytes = PIECE_BYTES_MAX;
    for receipt in receipts {
        let size = receipt.to_bytes().len();
        bytes += size;
        match pieces.last_mut() {
            Some(piece) if bytes <= PIECE_BYTES_MAX => piece.push((*receipt).clone()),
            _ => {
                bytes = size;
                pieces.push(vec![(*receipt).clone()]);
            }
        }
    }
    pieces
}
