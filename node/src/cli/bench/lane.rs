//! A lane: some tokens that go to and fro between two accounts, one transfer at a time.

use bytes::Bytes;
use ledger::{Address, Canonical, Input, Keypair, NetworkId, Output, Transfer, TransferId};
use std::sync::Arc;

/// Whose turn it is.
#[derive(Clone)]
pub struct Party {
    /// Its key.
    pub keypair: Arc<Keypair>,
    /// Its address.
    pub address: Address,
}

/// Some tokens that go to and fro.
pub struct Lane {
    network: (NetworkId, u64),
    /// As they stand now, sorted by token.
    inputs: Vec<Input>,
    owner: Party,
    other: Party,
    /// Signed and not known to have ended: the same bytes go out again.
    pending: Option<Pending>,
}

struct Pending {
    bytes: Bytes,
    id: TransferId,
    transfer: Transfer,
}

impl Lane {
    /// A lane of `owner`'s tokens, which go to `other` first. `network` is id and epoch.
    pub fn new(
        network: (NetworkId, u64),
        mut inputs: Vec<Input>,
        owner: Party,
        other: Party,
    ) -> Self {
        inputs.sort_by_key(|input| input.state);
        Self { network, inputs, owner, other, pending: None }
    }

    /// The bytes to send next: those not known to have ended, or a new transfer's.
    pub fn next(&mut self) -> Bytes {
        if let Some(pending) = &self.pending {
            return pending.bytes.clone();
        }
        let index = |index| u16::try_from(index).expect("at most 4,096 tokens");
        let to = self.other.address;
        let outputs = (0..self.inputs.len()).map(|input| Output::Move { input: index(input), to });
        let (network, epoch) = self.network;
        let transfer = Transfer {
            network,
            epoch,
            owner: self.owner.address,
            inputs: self.inputs.clone(),
            outputs: outputs.collect(),
            memo: String::new(),
        };
        let id = transfer.id();
        let signed = transfer.clone().sign(&self.owner.keypair);
        let bytes = Bytes::from(signed.to_bytes());
        self.pending = Some(Pending { bytes: bytes.clone(), id, transfer });
        bytes
    }

    /// The transfer has become final: the tokens are the other's now.
    pub fn moved(&mut self) {
        let Some(pending) = self.pending.take() else { return };
        let made = pending.transfer.made(pending.id);
        let inputs = made.into_iter();
        let of = |made: ledger::Made| Input {
            state: made.state,
            asset: made.asset,
            amount: made.amount,
        };
        self.inputs = inputs.map(of).collect();
        std::mem::swap(&mut self.owner, &mut self.other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{SignedTransfer, TokenState, asset::genesis_asset_id, state::genesis_token_id};

    fn party(seed: u8) -> Party {
        let keypair = Arc::new(Keypair::from_seed([seed; 32]));
        Party { address: Address(keypair.public()), keypair }
    }

    #[test]
    fn each_transfer_spends_what_the_one_before_made() {
        let token = |position| {
            let token = genesis_token_id(position);
            let state = TokenState { token, height: 0, made_by: TransferId::default() };
            Input { state, asset: genesis_asset_id(0), amount: 5 }
        };
        let tokens = vec![token(1), token(0), token(2)];
        let mut lane = Lane::new((NetworkId::default(), 0), tokens, party(1), party(2));
        let mut before: Option<SignedTransfer> = None;
        for turn in 0..4u64 {
            let bytes = lane.next();
            assert_eq!(lane.next(), bytes, "the same bytes until it has ended");
            let signed = SignedTransfer::from_bytes(&bytes).expect("canonical");
            let transfer = &signed.transfer;
            assert_eq!(transfer.owner, party(if turn % 2 == 0 { 1 } else { 2 }).address);
            assert!(transfer.inputs.iter().all(|input| input.state.height == turn));
            if let Some(before) = &before {
                let id = before.transfer.id();
                assert!(transfer.inputs.iter().all(|input| input.state.made_by == id));
            }
            before = Some(signed);
            lane.moved();
        }
    }
}
