//! Recovery in rounds (protocol §4): single-decree agreement per token state, with the owner as the
//! only proposer. Ordinary transfers are round 0.
//!
//! ```text
//!  owner ─Recover{states, r}─▶ validators: promise r, durable ─report─▶ Collector ─▶ Collected
//!                                                                          │
//!  highest accepted that may live: none ─▶ the owner signs a refresh       │ Justification
//!                                  T    ─▶ T again, on all of its states   ▼
//!                                      entry (T, r, justification) ─▶ a batch like any other
//! ```
//!
//! | file | what |
//! |---|---|
//! | `recovery.rs` | refreshes, entries that may be proposed |
//! | `recovery/justify.rs` | whether a justification holds |
//! | `recovery/claims.rs` | which of what is accepted may still become final |
//! | `recovery/collector.rs` | asking, and gathering the reports |
//! | `validator/recover.rs` | promising and reporting |

pub mod claims;
pub mod collector;
pub mod justify;

use crate::verdict::Refusal;
use ledger::{
    Entry, Input, Network, Output, SignedTransfer, Transfer, TransferId, VerifiedTransfer,
};
use rand_core::CryptoRng;

pub use collector::{Collected, Collector};
pub use justify::Unjustified;

/// The refresh of a state: it goes to its own owner, and is as good as new. One state has one
/// refresh, in whatever round it is proposed.
pub fn refresh(network: &Network, owner: ledger::Address, input: Input) -> Transfer {
    Transfer {
        network: network.id,
        epoch: network.epoch,
        owner,
        inputs: vec![input],
        outputs: vec![Output::Move { input: 0, to: owner }],
        memo: String::new(),
    }
}

/// Whether a transfer is the refresh of a state: it moves that one state to its own owner, says and
/// does nothing else. A memo would give one state refreshes without number.
pub fn is_refresh(transfer: &Transfer) -> bool {
    let is_own =
        |output: &Output| matches!(output, Output::Move { to, .. } if *to == transfer.owner);
    let is_one = transfer.inputs.len() == 1 && transfer.outputs.len() == 1;
    is_one && transfer.memo.is_empty() && is_own(&transfer.outputs[0])
}

/// An entry whose owner's signature and justification are checked. Only this is proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEntry {
    entry: Entry,
    id: TransferId,
}

impl VerifiedEntry {
    /// An ordinary transfer, in round 0.
    pub fn ordinary(transfer: &VerifiedTransfer) -> Self {
        Self { entry: Entry::ordinary(transfer.signed().clone()), id: transfer.id() }
    }

    /// Checks signature and justification. Up to some milliseconds above round 0.
    ///
    /// # Errors
    /// [`Refusal::Transfer`], [`Refusal::NotJustified`].
    #[allow(clippy::result_large_err, reason = "a refusal carries its evidence, and is rare")]
    pub fn verify(
        entry: Entry,
        network: &Network,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Refusal> {
        let signed: SignedTransfer = entry.signed.clone();
        let id = VerifiedTransfer::verify(signed)?.id();
        if entry.round > 0 {
            justify::check(&entry, id, network, rng).map_err(|_| Refusal::NotJustified)?;
        }
        Ok(Self { entry, id })
    }

    /// Takes an entry that was just checked in company, and its id.
    ///
    /// # Panics
    /// When `id` is not the transfer's: an id decides about money and is computed again.
    pub fn assume_verified(entry: Entry, id: TransferId) -> Self {
        assert_eq!(entry.signed.transfer.id(), id);
        Self { entry, id }
    }

    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The transfer.
    pub fn transfer(&self) -> &Transfer {
        &self.entry.signed.transfer
    }

    /// Its id.
    pub fn id(&self) -> TransferId {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::*;

    #[test]
    fn a_refresh_moves_one_state_to_its_owner_and_does_nothing_else() {
        let network = network();
        let good = refresh(&network, address(0), coin(0));
        assert!(is_refresh(&good));
        let with = |change: &dyn Fn(&mut Transfer)| {
            let mut changed = good.clone();
            change(&mut changed);
            is_refresh(&changed)
        };
        assert!(!with(&|transfer| transfer.inputs.push(coin(1))), "a second state");
        assert!(!with(&|transfer| transfer.outputs = vec![]));
        let definition = ledger::AssetDefinition {
            name: "GOLD".into(),
            kind: ledger::AssetKind::Fungible { decimals: 0 },
        };
        let issue = Output::Issue { definition, supply: 1, to: address(0) };
        assert!(!with(&|transfer| transfer.outputs.push(issue.clone())), "it issues as well");
        assert!(!with(&|transfer| transfer.outputs[0] = issue.clone()));
        let away = Output::Move { input: 0, to: address(1) };
        assert!(!with(&|transfer| transfer.outputs[0] = away.clone()), "to another owner");
        let Input { asset, amount, .. } = coin(0);
        let anew = Output::Create { asset, amount, to: address(0) };
        assert!(!with(&|transfer| transfer.outputs[0] = anew.clone()), "a new token");
    }

    #[test]
    fn r9_a_state_had_as_many_refreshes_as_there_are_memos_and_none_was_evidence() {
        let (network, key) = (network(), owner_key(0));
        let with = |memo: &str| {
            let transfer = refresh(&network, address(0), coin(0));
            Transfer { memo: memo.into(), ..transfer }.sign(&key)
        };
        assert!(!is_refresh(&with("one").transfer), "one state has one refresh");
        let (_, batch) = batch(0, &[with("one"), with("two"), with("")]);
        let evidence =
            crate::evidence::of_owner((&batch, 0), (&batch, 1)).expect("two of one state");
        assert_eq!(crate::Evidence::Owner(evidence).verify(&network), Ok(()));
        // Beside the one refresh any other transfer is honest.
        assert_eq!(crate::evidence::of_owner((&batch, 0), (&batch, 2)), None);
    }
}
