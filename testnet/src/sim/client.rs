//! The clients: owners that pay each other and try again elsewhere with the same bytes, and owners
//! that
//! sign conflicting transfers.

use super::plan::MEMBERS;
use consensus::proposer::Outcome;
use ledger::{
    Address, Input, Keypair, Network, Output, SignedTransfer, TokenState, Transfer, TransferId,
};
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Owners; each begins with [`TOKENS`] tokens.
pub const OWNERS: u8 = 5;
/// Tokens of each owner at first, of [`AMOUNT`] each.
pub const TOKENS: u64 = 8;
/// Base units of each genesis token.
pub const AMOUNT: u64 = 10;
/// A client sends the same bytes to another member after this, µs.
const PATIENCE_US: u64 = 700_000;

/// One transfer of a client.
#[derive(Clone, Debug)]
struct Payment {
    signed: SignedTransfer,
    is_honest: bool,
    /// Sent once: the client is gone.
    is_lonely: bool,
    is_done: bool,
    home: u16,
    sent_us: u64,
    tries: u32,
}

/// All clients.
#[derive(Debug)]
pub struct Clients {
    network: Arc<Network>,
    keys: Vec<Keypair>,
    wallets: Vec<Vec<Input>>,
    payments: BTreeMap<TransferId, Payment>,
    is_patient: bool,
    rng: StdRng,
}

/// An owner signs transfers that exclude each other.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// Which owner.
    pub owner: usize,
    /// The tokens that they spend.
    pub tokens: Vec<Input>,
    /// The transfers, and where they go.
    pub transfers: Vec<(u16, SignedTransfer)>,
}

/// The key of an owner.
pub fn owner_key(owner: u8) -> Keypair {
    Keypair::from_seed([100 + owner; 32])
}

impl Clients {
    /// Owners with their genesis tokens.
    pub fn new(network: Arc<Network>, rng: StdRng, is_patient: bool) -> Self {
        let keys: Vec<Keypair> = (0..OWNERS).map(owner_key).collect();
        let mut wallets = vec![Vec::new(); keys.len()];
        for made in network.tokens() {
            let owner = keys.iter().position(|key| Address(key.public()) == made.owner);
            let input = Input { state: made.state, asset: made.asset, amount: made.amount };
            wallets[owner.expect("genesis owners are clients")].push(input);
        }
        Self { network, keys, wallets, payments: BTreeMap::new(), is_patient, rng }
    }

    /// An honest payment, to be sent to a member: to `home`, if one is given.
    pub fn pay(&mut self, now_us: u64, home: Option<u16>) -> Option<(u16, SignedTransfer)> {
        let owner = self.rng.random_range(0..self.keys.len());
        let count = self.rng.random_range(1..=3);
        let inputs = self.take(owner, count)?;
        let signed = self.sign(owner, inputs);
        Some(self.sent(now_us, signed, (true, home)))
    }

    /// An honest payment that is sent once, to a member: to `home`, if one is given. Its client is
    /// gone after that.
    pub fn pay_once(&mut self, now_us: u64, home: Option<u16>) -> Option<(u16, SignedTransfer)> {
        let sent = self.pay(now_us, home)?;
        let payment = self.payments.get_mut(&sent.1.transfer.id()).expect("just made");
        payment.is_lonely = true;
        Some(sent)
    }

    /// Conflicting transfers of one owner, each to be sent to a member; the owner and its tokens.
    /// One that is `hasty` sends each once, and may sign only one.
    pub fn conflict(&mut self, now_us: u64, is_hasty: bool) -> Option<Conflict> {
        let owner = self.rng.random_range(0..self.keys.len());
        let inputs = self.take(owner, 2)?;
        let tokens = inputs.clone();
        let spends = match self.rng.random_range(0..3) {
            _ if is_hasty && self.rng.random_range(0..3) > 0 => vec![inputs],
            0 => vec![inputs.clone(), inputs],
            1 => vec![inputs.clone(), vec![inputs[0]], vec![inputs[1]]],
            _ => vec![vec![inputs[0]], vec![inputs[0]], vec![inputs[0]]],
        };
        let sign = |inputs| {
            let signed = self.sign(owner, inputs);
            self.sent(now_us, signed, (false, None))
        };
        let transfers: Vec<_> = spends.into_iter().map(sign).collect();
        for (_, signed) in transfers.iter().filter(|_| is_hasty) {
            let payment = self.payments.get_mut(&signed.transfer.id()).expect("just made");
            payment.is_lonely = true;
        }
        Some(Conflict { owner, tokens, transfers })
    }

    fn take(&mut self, owner: usize, count: usize) -> Option<Vec<Input>> {
        let wallet = &mut self.wallets[owner];
        if wallet.len() < count {
            return None;
        }
        let mut inputs = Vec::new();
        for _ in 0..count {
            let at = self.rng.random_range(0..wallet.len());
            inputs.push(wallet.swap_remove(at));
        }
        inputs.sort_by_key(|input| input.state.token);
        Some(inputs)
    }

    /// Moves the inputs, or joins them into one token for somebody and a rest of one base unit.
    fn sign(&mut self, owner: usize, inputs: Vec<Input>) -> SignedTransfer {
        let mut to = || Address(self.keys[self.rng.random_range(0..self.keys.len())].public());
        let moved = 0..u16::try_from(inputs.len()).expect("a few");
        let mut outputs: Vec<Output> =
            moved.map(|input| Output::Move { input, to: to() }).collect();
        let total: u64 = inputs.iter().map(|input| input.amount).sum();
        let asset = inputs[0].asset;
        let (first, second) = (to(), to());
        if total > 1 && self.rng.random_range(0..3) == 0 {
            outputs = vec![
                Output::Create { asset, amount: total - 1, to: first },
                Output::Create { asset, amount: 1, to: second },
            ];
        }
        let transfer = Transfer {
            network: self.network.id,
            epoch: self.network.epoch,
            owner: Address(self.keys[owner].public()),
            inputs,
            outputs,
            memo: format!("{}", self.rng.random_range(0..u32::MAX)),
        };
        transfer.sign(&self.keys[owner])
    }

    fn sent(
        &mut self,
        now_us: u64,
        signed: SignedTransfer,
        (is_honest, home): (bool, Option<u16>),
    ) -> (u16, SignedTransfer) {
        let any = self.rng.random_range(0..MEMBERS);
        let home = home.unwrap_or(any);
        let payment = Payment {
            signed: signed.clone(),
            is_honest,
            is_lonely: false,
            is_done: false,
            home,
            sent_us: now_us,
            tries: 1,
        };
        self.payments.insert(signed.transfer.id(), payment);
        (home, signed)
    }

    /// Transfers without an answer go to another member. Equivocators lose patience after some
    /// tries.
    pub fn retry(&mut self, now_us: u64) -> Vec<(u16, SignedTransfer)> {
        let mut again = Vec::new();
        for payment in self.payments.values_mut() {
            let is_late = payment.sent_us + PATIENCE_US <= now_us;
            let is_over = payment.is_done || (!payment.is_honest && payment.tries > 4);
            if !is_late || is_over || payment.is_lonely || !self.is_patient {
                continue;
            }
            payment.home = (payment.home + self.rng.random_range(1..MEMBERS)) % MEMBERS;
            payment.sent_us = now_us;
            payment.tries += 1;
            again.push((payment.home, payment.signed.clone()));
        }
        again
    }

    /// A member tells an end. Whether it may be: no honest transfer is rejected or locked.
    pub fn told(&mut self, id: TransferId, outcome: &Outcome) -> bool {
        let Some(payment) = self.payments.get_mut(&id) else { return true };
        match outcome {
            Outcome::Final if !payment.is_done => {
                payment.is_done = true;
                let transfer = payment.signed.transfer.clone();
                self.receive(&transfer);
                true
            }
            Outcome::Rejected(_) | Outcome::Locked(_) if payment.is_honest && !payment.is_done => {
                false
            }
            _ => true,
        }
    }

    /// What a final transfer made can be spent.
    pub fn receive(&mut self, transfer: &Transfer) {
        for made in transfer.made(transfer.id()) {
            let is_his = |key: &Keypair| Address(key.public()) == made.owner;
            let owner = self.keys.iter().position(is_his).expect("clients pay clients");
            let input = Input { state: made.state, asset: made.asset, amount: made.amount };
            self.wallets[owner].push(input);
        }
    }

    /// Honest owners' transfers; those that were sent once are apart.
    pub fn honest(&self, is_lonely: bool) -> Vec<TransferId> {
        let is_wanted = |payment: &Payment| payment.is_honest && payment.is_lonely == is_lonely;
        let honest = self.payments.iter().filter(|(_, payment)| is_wanted(payment));
        honest.map(|(id, _)| *id).collect()
    }

    /// All conflicting transfers of these states that were ever signed: anybody may have them.
    pub fn conflicting(&self, states: &[TokenState]) -> Vec<SignedTransfer> {
        let spends = |payment: &&Payment| {
            let mut inputs = payment.signed.transfer.inputs.iter();
            inputs.any(|input| states.contains(&input.state))
        };
        let conflicting = self.payments.values().filter(|payment| !payment.is_honest);
        conflicting.filter(spends).map(|payment| payment.signed.clone()).collect()
    }

    /// How many transfers equivocators made.
    pub fn equivocal(&self) -> usize {
        self.payments.values().filter(|payment| !payment.is_honest).count()
    }

    /// The states that a client would spend next, for tests.
    pub fn states(&self) -> Vec<TokenState> {
        self.wallets.iter().flatten().map(|input| input.state).collect()
    }
}
