//! Stage 2: transfer ids, Merkle root, the proposer's and the owners' signatures, over all cores.

use super::prefetch::Prefetched;
use consensus::recovery::justify;
use consensus::{Batch, Proposal, Refusal, Verdict, WrongRoot};
use ledger::{Entry, Network, SignedTransfer, TransferError, TransferId, verify_owners};
use rayon::prelude::*;
use std::sync::Arc;

/// Signatures checked in one multiplication; `shared/LIMITS.md`: 256 cost 19 µs each, 1,024 cost
/// 17, and smaller chunks keep both cores busy.
const SIGNATURES_PER_CHUNK: usize = 128;
/// Transfers hashed by one task.
const HASHES_PER_CHUNK: usize = 64;

/// A batch with ids, root and signatures checked.
#[derive(Debug)]
pub struct Hashed {
    pub(super) proposal: Arc<Proposal>,
    pub(super) batch: Result<Arc<Batch>, WrongRoot>,
    pub(super) is_signed: bool,
    pub(super) verdicts: Vec<Option<Verdict>>,
}

/// Hashes and checks signatures. Runs on the calling thread and, inside a rayon pool, on its
/// threads.
pub fn hash(network: &Network, prefetched: Prefetched) -> Hashed {
    let Prefetched { job, mut verdicts } = prefetched;
    let proposal = job.proposal;
    let ids: Vec<TransferId> = if proposal.entries.len() <= HASHES_PER_CHUNK {
        proposal.entries.iter().map(|entry| entry.signed.transfer.id()).collect()
    } else {
        let entries = proposal.entries.par_iter().with_min_len(HASHES_PER_CHUNK);
        entries.map(|entry| entry.signed.transfer.id()).collect()
    };
    let batch = Batch::with_ids(proposal.entries.clone(), ids);
    if batch.id() != proposal.claimed {
        let wrong = WrongRoot { claimed: proposal.claimed, found: batch.id() };
        let (batch, verdicts) = (Err(wrong), Vec::new());
        return Hashed { proposal, batch, is_signed: false, verdicts };
    }
    let is_signed = proposal.is_signed(network);
    if !is_signed {
        verdicts.clear();
        return Hashed { proposal, batch: Ok(Arc::new(batch)), is_signed, verdicts };
    }
    check_owners(&batch, &mut verdicts);
    check_justifications(network, &batch, &mut verdicts);
    Hashed { proposal, batch: Ok(Arc::new(batch)), is_signed, verdicts }
}

/// Turns `Valid` into `Invalid` where the owner's signature is not valid.
fn check_owners(batch: &Batch, verdicts: &mut [Option<Verdict>]) {
    let open: Vec<usize> = verdicts
        .iter()
        .enumerate()
        .filter(|(_, verdict)| **verdict == Some(Verdict::Valid))
        .map(|(index, _)| index)
        .collect();
    let transfers: Vec<&SignedTransfer> =
        open.iter().map(|index| &batch.entries()[*index].signed).collect();
    let ids: Vec<TransferId> = open.iter().map(|index| batch.ids()[*index]).collect();
    let valid = verify(&transfers, &ids);
    for (index, _) in open.iter().zip(valid).filter(|(_, valid)| !valid) {
        let refusal = Refusal::Transfer(TransferError::BadSignature);
        verdicts[*index] = Some(Verdict::Invalid(refusal));
    }
}

/// Turns `Valid` into `Invalid` where an entry above round 0 is not justified (protocol §4). Each
/// takes about as long as ten signatures, so each is a task of its own.
fn check_justifications(network: &Network, batch: &Batch, verdicts: &mut [Option<Verdict>]) {
    let entries = batch.entries();
    if entries.iter().all(|entry| entry.round == 0) {
        return;
    }
    verdicts.par_iter_mut().enumerate().for_each(|(i, verdict)| {
        let is_open = *verdict == Some(Verdict::Valid);
        if is_open && !is_justified(&entries[i], batch.ids()[i], network) {
            *verdict = Some(Verdict::Invalid(Refusal::NotJustified));
        }
    });
}

/// Whether an entry may stand in its round.
pub fn is_justified(entry: &Entry, id: TransferId, network: &Network) -> bool {
    entry.round == 0 || justify::check(entry, id, network, &mut rand::rng()).is_ok()
}

/// Checks many owners' signatures, in chunks over the cores: `valid[i]` is for `transfers[i]`.
pub fn verify(transfers: &[&SignedTransfer], ids: &[TransferId]) -> Vec<bool> {
    if transfers.len() <= SIGNATURES_PER_CHUNK / 8 {
        return verify_owners(transfers, ids, &mut rand::rng());
    }
    // Both cores get work from a middling batch, too.
    let chunk = (transfers.len().div_ceil(rayon::current_num_threads())).min(SIGNATURES_PER_CHUNK);
    transfers
        .par_chunks(chunk)
        .zip(ids.par_chunks(chunk))
        .flat_map_iter(|(transfers, ids)| verify_owners(transfers, ids, &mut rand::rng()))
        .collect()
}
