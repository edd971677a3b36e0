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
use std::sync::{Arc, Weak};

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
    fn proofs(&self, keys: &[ContentId]) -> Vec<Option<Vec<u8>>> {
        let shared = self.shared.read().upgrade();
        match shared {
            Some(shared) => keys.iter().map(|key| proof(&shared, *key)).collect(),
            None => vec![None; keys.len()],
        }
    }
}

/// The receipt of the transfer under which a state is pinned here.
fn proof(shared: &Shared, key: ContentId) -> Option<Vec<u8>> {
    let ipfs = shared.ipfs.as_ref()?;
    let labels = ipfs.embedded.store().labels(&[key]).ok()?;
    let spender = TransferId(ledger::Digest(labels[0].as_ref()?.bytes().try_into().ok()?));
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
