//! A lane: tokens of one owner that go from account to account, are split and joined, one transfer
//! at a time. Each spends what the one before made, so nothing is looked up, and one that was lost
//! on the way shows in all that follow.

use bytes::Bytes;
use ledger::{
    Address, Canonical, Input, Keypair, Made, Network, NetworkId, Output, Transfer, TransferId,
};
use rand::RngExt;
use rand::rngs::StdRng;

/// Tokens that a lane splits into at most; then it joins them.
const TOKENS_MAX: usize = 3;

/// An account with its key.
pub struct Party {
    /// Its key.
    pub keypair: Keypair,
    /// Its address.
    pub address: Address,
}

/// A signed transfer.
#[derive(Clone)]
pub struct Signed {
    /// Its id.
    pub id: TransferId,
    /// Its canonical bytes.
    pub bytes: Bytes,
    made: Vec<Input>,
    /// Whose the tokens are then.
    to: usize,
}

/// Some tokens on their way.
pub struct Lane {
    network: NetworkId,
    epoch: u64,
    /// As they stand now, sorted by state.
    tokens: Vec<Input>,
    /// Index of the owner.
    owner: usize,
    /// Signed and not known to have ended: the same bytes go out again.
    pending: Option<Signed>,
}

impl Lane {
    /// A lane of one token of party `owner`.
    pub fn new(network: &Network, token: &Made, owner: usize) -> Self {
        let tokens = vec![input(token)];
        Self { network: network.id, epoch: network.epoch, tokens, owner, pending: None }
    }

    /// What to send next: what is not known to have ended, or a new transfer.
    pub fn next(&mut self, parties: &[Party], rng: &mut StdRng) -> Signed {
        if let Some(pending) = &self.pending {
            return pending.clone();
        }
        let signed = self.sign(parties, rng, String::new());
        self.pending.insert(signed).clone()
    }

    /// Two transfers that spend the same states. The lane is of no use afterwards.
    pub fn rivals(&self, parties: &[Party], rng: &mut StdRng) -> [Signed; 2] {
        ["one", "other"].map(|memo| self.sign(parties, rng, memo.into()))
    }

    /// Whether something was sent that is not known to have ended.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// What was sent last has become final.
    pub fn moved(&mut self) {
        if let Some(signed) = self.pending.take() {
            (self.tokens, self.owner) = (signed.made, signed.to);
        }
    }

    fn sign(&self, parties: &[Party], rng: &mut StdRng, memo: String) -> Signed {
        let to = rng.random_range(0..parties.len());
        let outputs = self.outputs(parties[to].address, rng);
        let owner = &parties[self.owner];
        let (network, epoch, inputs) = (self.network, self.epoch, self.tokens.clone());
        let transfer = Transfer { network, epoch, owner: owner.address, inputs, outputs, memo };
        let id = transfer.id();
        let mut made: Vec<Input> = transfer.made(id).iter().map(input).collect();
        made.sort_by_key(|input| input.state);
        let bytes = Bytes::from(transfer.sign(&owner.keypair).to_bytes());
        Signed { id, bytes, made, to }
    }

    /// One token is split now and then, several are joined, all move otherwise.
    fn outputs(&self, to: Address, rng: &mut StdRng) -> Vec<Output> {
        let first = self.tokens[0];
        let create = |amount| Output::Create { asset: first.asset, amount, to };
        let total: u64 = self.tokens.iter().map(|token| token.amount).sum();
        let parts = u64::try_from(TOKENS_MAX).expect("three");
        if self.tokens.len() == 1 && total >= parts && rng.random_range(0..8) == 0 {
            let part = total / parts;
            return vec![create(part), create(part), create(total - 2 * part)];
        }
        if self.tokens.len() > 1 && rng.random_range(0..4) == 0 {
            return vec![create(total)];
        }
        let moved = |index| Output::Move { input: index, to };
        (0u16..).zip(&self.tokens).map(|(index, _)| moved(index)).collect()
    }
}

fn input(made: &Made) -> Input {
    Input { state: made.state, asset: made.asset, amount: made.amount }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use rand::SeedableRng;

    #[test]
    fn a_lane_spends_what_it_made_and_keeps_its_value() {
        let drawn = Plan { seed: Some(1), ..Plan::default() }.draw(None).expect("a plan");
        let party = |(_, key): (String, Keypair)| Party {
            address: node::keyfile::address_of(&key),
            keypair: key,
        };
        let parties: Vec<Party> = drawn.accounts.into_iter().map(party).collect();
        let token = drawn.network.tokens().next().expect("a token");
        let mut lane = Lane::new(&drawn.network, &token, 0);
        let mut rng = StdRng::seed_from_u64(1);
        let (mut splits, mut joins) = (0, 0);
        for _ in 0..200 {
            let before = lane.tokens.clone();
            let [one, other] = lane.rivals(&parties, &mut rng);
            assert_ne!(one.id, other.id, "two transfers of one state");
            let sent = lane.next(&parties, &mut rng);
            assert_eq!(lane.next(&parties, &mut rng).bytes, sent.bytes, "the same bytes again");
            let signed = ledger::SignedTransfer::from_bytes(&sent.bytes).expect("canonical");
            signed.transfer.check(&drawn.network).expect("the rules hold");
            assert_eq!(signed.transfer.inputs, before);
            ledger::VerifiedTransfer::verify(signed).expect("it is the owner's");
            lane.moved();
            assert!(!lane.is_pending());
            splits += usize::from(lane.tokens.len() > before.len());
            joins += usize::from(lane.tokens.len() < before.len());
            assert_eq!(lane.tokens.iter().map(|token| token.amount).sum::<u64>(), token.amount);
        }
        assert!(splits > 0 && joins > 0, "{splits} splits, {joins} joins");
    }
}
