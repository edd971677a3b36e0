//! What the suites share: a network of seven with tokens of many owners, transfers, batches and
//! certificates. Everything follows from fixed numbers: two runs measure the same bytes.
//!
//! | what | file |
//! |---|---|
//! | keys, genesis, transfers, batches, certificates | here |
//! | bytes on the wire, batched and as JSON one by one | [`wire`] |
//! | the baseline: four workers, one token at a time | [`four_workers`] |
//! | seven whole nodes in this process | [`seven`] |
//! | one whole node, the others played | [`one`] |
//! | CPU time | [`cpu`] |
//!
//! A suite is run by `cargo bench -p benches --bench validate`, shorter with `-- --quick`. Builds
//! are for this machine's CPU (`.cargo/config.toml`); figures are comparable within one run only,
//! the machines are shared.

pub mod cpu;
pub mod four_workers;
pub mod one;
pub mod seven;
pub mod wire;

use consensus::{Batch, Mode, Proposal, Tips, Validator};
use ledger::{
    Address, Ballot, Bitmap, Certificate, Entry, Genesis, GenesisAsset, GenesisMember,
    GenesisTokens, Input, Keypair, Name, Network, Output, Phase, SignedTransfer, Transfer, Vote,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;

/// Memory comes from where the programs take it.
#[global_allocator]
static ALLOCATOR: node::Allocator = node::ALLOCATOR;

/// Validators, each of weight 1.
pub const MEMBERS: u16 = 7;
/// Votes that make a certificate.
pub const QUORUM: u16 = 5;
/// Holders from this number on own nothing at genesis: receivers that nobody has seen before.
pub const NEWCOMERS: u32 = 1_000_000;

/// The one source of randomness, from a fixed seed.
pub fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

/// The vote key of a member.
pub fn member_key(member: u16) -> Keypair {
    seeded(0, u32::from(member))
}

/// The key of holder number `holder`. About 16 µs.
pub fn holder_key(holder: u32) -> Keypair {
    seeded(1, holder)
}

fn seeded(kind: u8, number: u32) -> Keypair {
    let mut seed = [kind; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    Keypair::from_seed(seed)
}

fn address(holder: u32) -> Address {
    Address(holder_key(holder).public())
}

/// A token state that can be spent, and who holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coin {
    /// The state with its value.
    pub input: Input,
    /// Number of the holder.
    pub holder: u32,
}

/// Seven members and the genesis tokens.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// The file.
    pub genesis: Genesis,
    /// The checked form.
    pub network: Arc<Network>,
    /// The genesis tokens, by holder in ascending order.
    pub coins: Vec<Coin>,
}

impl Fixture {
    /// `owners` holders with one token each.
    pub fn new(owners: u32) -> Self {
        Self::with_tokens(&vec![1; usize::try_from(owners).expect("32 bits")])
    }

    /// Holder `i` has `counts[i]` tokens.
    ///
    /// # Panics
    /// When the genesis is refused: above its limits.
    pub fn with_tokens(counts: &[u64]) -> Self {
        let member = |index: u16| GenesisMember {
            name: Name::new(&format!("v{index}")).expect("a good name"),
            key: Address(member_key(index).public()),
            weight: 1,
        };
        let tokens = |(holder, count): (u32, &u64)| GenesisTokens {
            owner: address(holder),
            asset: "QRT".into(),
            amount: "1".into(),
            count: *count,
        };
        let genesis = Genesis {
            schema: ledger::genesis::GENESIS_SCHEMA.into(),
            network: Name::new("benches").expect("a good name"),
            epoch: 0,
            committee: (0..MEMBERS).map(member).collect(),
            assets: vec![GenesisAsset { name: "QRT".into(), decimals: 3 }],
            tokens: (0..).zip(counts).map(tokens).collect(),
        };
        let network = Arc::new(genesis.network().expect("a good genesis"));
        let holders =
            (0..).zip(counts).flat_map(|(holder, count)| (0..*count).map(move |_| holder));
        let coins = network.tokens().zip(holders).map(|(made, holder)| {
            let input = Input { state: made.state, asset: made.asset, amount: made.amount };
            Coin { input, holder }
        });
        Self { coins: coins.collect(), network, genesis }
    }

    /// One transfer of these coins, all of one holder, whole to `to`.
    pub fn pay(&self, coins: &[Coin], to: u32) -> SignedTransfer {
        let holder = coins.first().expect("a transfer spends something").holder;
        assert!(coins.iter().all(|coin| coin.holder == holder));
        let key = holder_key(holder);
        let to = address(to);
        let mut inputs: Vec<Input> = coins.iter().map(|coin| coin.input).collect();
        inputs.sort_by_key(|input| input.state.token);
        let count = u16::try_from(inputs.len()).expect("at most 4,096");
        let transfer = Transfer {
            network: self.network.id,
            epoch: self.network.epoch,
            owner: Address(key.public()),
            inputs,
            outputs: (0..count).map(|input| Output::Move { input, to }).collect(),
            memo: String::new(),
        };
        transfer.sign(&key)
    }

    /// The first `count` coins, each moved by a transfer of its own to a newcomer of its own.
    pub fn transfers(&self, count: usize) -> Vec<SignedTransfer> {
        let coins = &self.coins[..count];
        coins.iter().map(|coin| self.pay(&[*coin], NEWCOMERS + coin.holder)).collect()
    }

    /// What the newcomers do next: each moves its coin on to another one. Nothing but network,
    /// epoch and asset is equal among these, as in a network that has run for a while.
    pub fn next_transfers(&self, count: usize) -> Vec<SignedTransfer> {
        let first = self.transfers(count);
        let next = first.iter().zip(&self.coins).map(|(signed, coin)| {
            let newcomer = NEWCOMERS + coin.holder;
            self.pay(&made(signed, newcomer), NEWCOMERS + newcomer)
        });
        next.collect()
    }

    /// Transfers as member 0 proposes them.
    pub fn propose(&self, transfers: Vec<SignedTransfer>) -> (Arc<Proposal>, Arc<Batch>) {
        let batch = Batch::new(transfers.into_iter().map(Entry::ordinary).collect());
        let network = &self.network;
        let proposal = Proposal::sign(&batch, &network.id, network.epoch, 0, &member_key(0));
        (Arc::new(proposal), Arc::new(batch))
    }

    /// Member `member` votes for all of a batch.
    pub fn vote(&self, member: u16, phase: Phase, batch: &Batch) -> Vote {
        let bitmap = Bitmap::from_bools(&vec![true; batch.count()]);
        let ballot = Ballot { epoch: self.network.epoch, phase, batch: batch.id(), bitmap };
        ballot.sign(&self.network.id, member, &member_key(member))
    }

    /// The certificate of the first five members for all of a batch.
    pub fn certificate(&self, phase: Phase, batch: &Batch) -> Certificate {
        let votes: Vec<Vote> = (0..QUORUM).map(|m| self.vote(m, phase, batch)).collect();
        Certificate::from_votes(&votes.iter().collect::<Vec<_>>())
    }

    /// Member 1, voting, at genesis.
    pub fn validator(&self) -> Validator {
        let tips = Tips::genesis(self.network.clone());
        let mut validator = Validator::new(self.network.clone(), 1, member_key(1), tips);
        validator.set_mode(Mode::Voting);
        validator
    }
}

/// The coins that a transfer leaves with its one receiver.
pub fn made(signed: &SignedTransfer, receiver: u32) -> Vec<Coin> {
    let made = signed.transfer.made(signed.transfer.id()).into_iter();
    let coin = made.map(|made| {
        let input = Input { state: made.state, asset: made.asset, amount: made.amount };
        Coin { input, holder: receiver }
    });
    coin.collect()
}
