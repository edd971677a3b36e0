//! A network of four whose votes the tests cast themselves, and a wallet that hosts one address.

use crate::receive::{Options, Receiver};
use consensus::Batch;
use ledger::{
    Address, Ballot, Bitmap, Certificate, Entry, Genesis, GenesisAsset, GenesisMember,
    GenesisTokens, Input, Keypair, Made, Name, Network, Output, Phase, Receipt, SignedTransfer,
    TokenId, TokenState, Transfer, Vote,
};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// Who pays.
pub const SENDER: u8 = 11;
/// Who is hosted.
pub const WALLET: u8 = 12;
/// Who is neither.
pub const STRANGER: u8 = 13;

const TOKENS: u64 = 200;

pub fn key(number: u8) -> Keypair {
    Keypair::from_seed([number; 32])
}

pub(crate) fn address(number: u8) -> Address {
    Address(key(number).public())
}

/// A token id; its parts of the tables differ.
pub(crate) fn token(number: u8) -> TokenId {
    TokenId(ledger::Digest([number; 32]))
}

/// A token as genesis makes it.
pub(crate) fn made(number: u8) -> Made {
    let state = TokenState { token: token(number), height: 0, made_by: Default::default() };
    Made { state, asset: Default::default(), amount: 5, owner: address(number) }
}

/// Where a link of a chain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    ToWallet,
    ToStranger,
}

pub struct World {
    pub network: Arc<Network>,
    home: TempDir,
    /// Sender's genesis tokens that are not spent yet.
    coins: Vec<Input>,
}

impl World {
    pub fn new() -> Self {
        let member = |index: u8| GenesisMember {
            name: Name::new(&format!("v{index}")).expect("a name"),
            key: address(index + 1),
            weight: 1,
        };
        let genesis = Genesis {
            schema: ledger::genesis::GENESIS_SCHEMA.into(),
            network: Name::new("receive").expect("a name"),
            epoch: 2,
            committee: (0..4).map(member).collect(),
            assets: vec![GenesisAsset { name: "QRT".into(), decimals: 3 }],
            tokens: vec![GenesisTokens {
                owner: address(SENDER),
                asset: "QRT".into(),
                amount: "1".into(),
                count: TOKENS,
            }],
        };
        let network = Arc::new(genesis.network().expect("a good genesis"));
        let coin = |made: Made| Input { state: made.state, asset: made.asset, amount: made.amount };
        let coins = network.tokens().map(coin).collect();
        Self { network, home: tempfile::tempdir().expect("a folder"), coins }
    }

    /// Another home in the same network.
    pub fn beside(other: &Self) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        Self { network: other.network.clone(), home, coins: other.coins.clone() }
    }

    pub fn open(&self) -> Receiver {
        self.open_for(&[WALLET])
    }

    pub fn open_for(&self, hosted: &[u8]) -> Receiver {
        let hosted = hosted.iter().map(|number| address(*number)).collect();
        let options = Options { threads: 2 };
        Receiver::open(self.home.path(), self.network.clone(), hosted, options).expect("opened")
    }

    /// The one segment of the journal.
    pub fn journal(&self) -> PathBuf {
        let dir = self.home.path().join("received");
        let segment = |entry: &std::fs::DirEntry| entry.file_name() != "lock";
        let mut entries = std::fs::read_dir(dir).expect("a folder").flatten().filter(segment);
        entries.next().expect("a segment").path()
    }

    /// Bytes of the journal's records.
    pub fn journal_bytes(&self) -> u64 {
        let mut bytes = 0;
        let network = *self.network.id.bytes();
        let dir = self.home.path().join("received");
        crate::journal::read_all(&dir, network, &mut |_, _, payload| {
            bytes += u64::try_from(payload.len()).expect("small");
        })
        .expect("a journal");
        bytes
    }

    /// Base units and tokens of the wallet.
    pub fn balance(&self, receiver: &Receiver) -> (u64, u64) {
        let balances = receiver.book().balances(&address(WALLET));
        balances.values().next().copied().unwrap_or_default()
    }

    /// The receipts of transfers that become final in one batch.
    pub fn finals(&self, transfers: Vec<SignedTransfer>) -> Vec<Receipt> {
        let network = &self.network;
        let batch = Batch::new(transfers.into_iter().map(Entry::ordinary).collect());
        let bitmap = Bitmap::from_bools(&vec![true; batch.count()]);
        let votes: Vec<Vote> = (0..3u8)
            .map(|index| {
                let ballot = Ballot {
                    epoch: network.epoch,
                    phase: Phase::Commit,
                    batch: batch.id(),
                    bitmap: bitmap.clone(),
                };
                ballot.sign(&network.id, u16::from(index), &key(index + 1))
            })
            .collect();
        let certificate = Certificate::from_votes(&votes.iter().collect::<Vec<_>>());
        let receipts = batch.receipts();
        (0..batch.count()).map(|index| receipts.of(index, &certificate)).collect()
    }

    fn transfer(&self, from: u8, mut inputs: Vec<Input>, outputs: Vec<Output>) -> SignedTransfer {
        inputs.sort_by_key(|input| input.state.token);
        let transfer = Transfer {
            network: self.network.id,
            epoch: self.network.epoch,
            owner: address(from),
            inputs,
            outputs,
            memo: String::new(),
        };
        transfer.sign(&key(from))
    }

    fn moves(&self, from: u8, inputs: Vec<Input>, to: u8) -> SignedTransfer {
        let count = u16::try_from(inputs.len()).expect("few");
        let to = address(to);
        self.transfer(from, inputs, (0..count).map(|input| Output::Move { input, to }).collect())
    }

    fn coin(&mut self) -> Input {
        self.coins.pop().expect("a coin is left")
    }

    /// So many payments of a token each to the wallet, final in one batch.
    pub fn payments(&mut self, count: usize) -> Vec<Receipt> {
        let transfers = (0..count).map(|_| {
            let coin = self.coin();
            self.moves(SENDER, vec![coin], WALLET)
        });
        let transfers = transfers.collect();
        self.finals(transfers)
    }

    /// One token on its way, a batch a link.
    pub fn chain(&mut self, route: &[Case]) -> Vec<Receipt> {
        let mut coin = self.coin();
        let mut owner = SENDER;
        let link = |case: &Case| {
            let to = if *case == Case::ToWallet { WALLET } else { STRANGER };
            let signed = self.moves(owner, vec![coin], to);
            let made = signed.transfer.made(signed.transfer.id());
            coin.state = made[0].state;
            owner = to;
            self.finals(vec![signed]).remove(0)
        };
        route.iter().map(link).collect()
    }

    /// One token to the wallet, on to the sender, and back together with a fresh one.
    pub fn crossing(&mut self) -> Vec<Receipt> {
        let (mut coin, fresh) = (self.coin(), self.coin());
        let mut all = Vec::new();
        for (from, to) in [(SENDER, WALLET), (WALLET, SENDER), (SENDER, WALLET)] {
            let inputs = if all.len() < 2 { vec![coin] } else { vec![coin, fresh] };
            let signed = self.moves(from, inputs, to);
            coin.state = signed.transfer.made(signed.transfer.id())[0].state;
            all.push(self.finals(vec![signed]).remove(0));
        }
        all
    }

    /// Two final transfers of one state. One brings it to the wallet, the other to a stranger, with
    /// another token for the wallet.
    pub fn fork(&mut self) -> (Receipt, Receipt) {
        let (coin, spare) = (self.coin(), self.coin());
        let first = self.moves(SENDER, vec![coin], WALLET);
        let mut inputs = vec![coin, spare];
        inputs.sort_by_key(|input| input.state.token);
        let to = |input: &Input| address(if *input == coin { STRANGER } else { WALLET });
        let outputs =
            (0u16..).zip(&inputs).map(|(at, input)| Output::Move { input: at, to: to(input) });
        let outputs = outputs.collect();
        let second = self.transfer(SENDER, inputs, outputs);
        (self.finals(vec![first]).remove(0), self.finals(vec![second]).remove(0))
    }

    /// Two final transfers to the wallet: one of two tokens, and one of the first of them alone.
    pub fn overlapping(&mut self) -> (Receipt, Receipt) {
        let (one, two) = (self.coin(), self.coin());
        let whole = self.finals(vec![self.moves(SENDER, vec![one, two], WALLET)]).remove(0);
        let half = self.finals(vec![self.moves(SENDER, vec![one], WALLET)]).remove(0);
        (whole, half)
    }

    /// The sender pays so many base units of one token; the rest comes back.
    pub fn pay_with_change(&mut self, units: u64) -> Receipt {
        let coin = self.coin();
        let create = |amount, to| Output::Create { asset: coin.asset, amount, to: address(to) };
        let outputs = vec![create(units, WALLET), create(coin.amount - units, SENDER)];
        self.finals(vec![self.transfer(SENDER, vec![coin], outputs)]).remove(0)
    }

    /// The token and the state that a receipt's first output makes.
    pub fn tracked(&self, receipt: &Receipt) -> (TokenId, TokenState) {
        let transfer = &receipt.entry.signed.transfer;
        let state = transfer.made(transfer.id())[0].state;
        (state.token, state)
    }
}
