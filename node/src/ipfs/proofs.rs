//! Proofs that a state is spent: the receipt of the transfer that spent it. Made for those who
//! found our records, checked when others show theirs.
//!
//! A proof is the receipt's canonical bytes. It holds when the receipt does, and its transfer
//! spends the very state that was asked for.

use crate::handle::Shared;
use crate::ipfs::key_of;
use ipfs_adapter::swarm::proof::Proofs;
use ipfs_adapter::{ContentId, Pins};
use ledger::{Canonical, Network, Receipt, TransferId, VerifiedReceipt};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// Receipts read for one question: each may be a batch of 8 MiB on the disk.
const SPENDERS_MAX: usize = 32;

/// The store behind the proofs, once the node has opened it.
#[derive(Clone, Default)]
pub struct ProofSource {
    shared: Arc<RwLock<Weak<Shared>>>,
}

impl ProofSource {
    /// From now on proofs come from this node's store.
    pub fn set(&self, shared: Weak<Shared>) {
        *self.shared.write() = shared;
    }
}

impl Proofs for ProofSource {
    fn proofs(&self, keys: &[ContentId], bytes_max: usize) -> Vec<Option<Vec<u8>>> {
        let shared = self.shared.read().upgrade();
        let Some(shared) = shared else { return vec![None; keys.len()] };
        let mut left = bytes_max;
        let mut read: HashMap<TransferId, Option<Vec<u8>>> = HashMap::new();
        let mut one = |key: &ContentId| {
            let spender = spender(&shared, *key)?;
            if !read.contains_key(&spender) && read.len() >= SPENDERS_MAX {
                return None;
            }
            // Many states may have one spender: its batch is read once.
            let receipt = read.entry(spender).or_insert_with(|| proof(&shared, spender));
            let receipt = receipt.as_ref().filter(|receipt| receipt.len() <= left)?;
            left -= receipt.len();
            Some(receipt.clone())
        };
        keys.iter().map(&mut one).collect()
    }
}

/// The transfer under which a state is pinned here.
fn spender(shared: &Shared, key: ContentId) -> Option<TransferId> {
    let labels = shared.ipfs.as_ref()?.embedded.store().labels(&[key]).ok()?;
    Some(TransferId(ledger::Digest(labels[0].as_ref()?.bytes().try_into().ok()?)))
}

/// A transfer's receipt, as it is shown.
fn proof(shared: &Shared, spender: TransferId) -> Option<Vec<u8>> {
    match shared.store.receipt(&spender) {
        Ok(receipt) => receipt.map(|receipt| receipt.to_bytes()),
        Err(error) => {
            tracing::warn!(%spender, %error, "a receipt can't be read");
            None
        }
    }
}

/// Checks what somebody showed for a key: only a receipt that holds, of a transfer that spends this
/// very state, is believed. Cost: some six signature checks, about 0.2 ms.
pub fn check(network: &Network, key: ContentId, proof: &[u8]) -> Option<VerifiedReceipt> {
    let receipt = Receipt::from_bytes(proof).ok()?;
    let inputs = &receipt.entry.signed.transfer.inputs;
    if !inputs.iter().any(|input| key_of(&input.state) == key) {
        return None;
    }
    receipt.verify(network, &mut rand::rng()).ok()
}
