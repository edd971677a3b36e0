//! Filling gaps: a receipt that does not join on to what is known names the transfer before it, and
//! that one's receipt the one before; they are fetched backwards, link by link, until one joins on,
//! and received together. Each is verified like any other. Nothing is guessed.

use super::Hosting;
use super::fetch::{Then, fetch};
use crate::receive::Outcome;
use ledger::{Canonical, Receipt, TransferId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Links walked back for one drain; a longer gap is filled by several.
const ROUNDS_MAX: usize = 1_024;
/// Receipts in memory while gaps are filled, a few KiB each; further ones wait for the next drain.
const PENDING_MAX: usize = 4_096;

/// Bytes of receipts that are received at once, half of a journal's record, unless one alone is
/// longer.
const PIECE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Fetches what these receipts wait for, and them again; returns how many were received.
pub(super) async fn fill(
    hosting: &Arc<Hosting>,
    gaps: BTreeMap<TransferId, Vec<TransferId>>,
) -> usize {
    if gaps.is_empty() {
        return 0;
    }
    let mut pending: BTreeMap<TransferId, Receipt> = BTreeMap::new();
    let mut wanted: BTreeSet<TransferId> = gaps.keys().copied().collect();
    wanted.extend(gaps.values().flatten());
    let mut received = 0;
    for _ in 0..ROUNDS_MAX {
        wanted.retain(|id| !pending.contains_key(id) && !hosting.receiver.has(id));
        let room = PENDING_MAX.saturating_sub(pending.len());
        let asked: Vec<TransferId> = wanted.iter().copied().take(room).collect();
        let fetched = fetch(hosting, asked, Then::Keep).await;
        let news: Vec<Receipt> = fetched.receipts;
        if news.is_empty() {
            break;
        }
        // The newest links tell what is still missing; when one joins on, all follow.
        let (joined, missing) = present(hosting, &news).await;
        let named = news.into_iter().map(|receipt| (receipt.entry.signed.transfer.id(), receipt));
        pending.extend(named.filter(|(id, _)| !hosting.receiver.has(id)));
        received += joined;
        wanted = missing;
        if joined > 0 && !pending.is_empty() {
            let all: Vec<Receipt> = pending.values().cloned().collect();
            let (joined, missing) = present(hosting, &all).await;
            received += joined;
            wanted.extend(missing);
            pending.retain(|id, _| !hosting.receiver.has(id));
        }
        if pending.is_empty() || wanted.is_empty() {
            break;
        }
    }
    if !pending.is_empty() {
        tracing::warn!(receipts = pending.len(), "links are missing; the next drain tries again");
    }
    received
}

/// Tries to receive these; how many were, and the ids that others of them wait for.
async fn present(hosting: &Arc<Hosting>, receipts: &[Receipt]) -> (usize, BTreeSet<TransferId>) {
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
