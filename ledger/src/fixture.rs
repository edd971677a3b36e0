//! Values that the tests share: a network of four validators, its keys, and one of every object.
//! Unit tests and the golden files include the same file, so it speaks of the crate by its name.

#![allow(dead_code, reason = "each test program uses a part of it")]

use ledger::{
    Address, AssetDefinition, AssetKind, Ballot, Bitmap, Canonical, Certificate, DecodeError,
    Entry, Genesis, GenesisAsset, GenesisMember, GenesisTokens, Inclusion, Input, Keypair, Name,
    Network, Output, Phase, Receipt, SignedTransfer, Transfer, Vote, merkle, state::raw_cid,
};
use std::fmt::Debug;

/// Seed numbers of the people; members are 1, 2, 3 and so on.
pub const ALICE: u8 = 101;
pub const BOB: u8 = 102;

pub fn key(number: u8) -> Keypair {
    Keypair::from_seed([number; 32])
}

pub fn address(number: u8) -> Address {
    Address(key(number).public())
}

/// Alice has four times 100 GOLD (three decimals) and one SILVER, Bob one GOLD; member `i` of the
/// committee has key `i + 1` and weight `weights[i]`.
pub fn genesis(weights: &[u64]) -> Genesis {
    let member = |(number, weight): (u8, &u64)| GenesisMember {
        name: Name::new(&format!("v{}", number - 1)).expect("a good name"),
        key: address(number),
        weight: *weight,
    };
    let tokens = |owner: u8, asset: &str, amount: &str, count: u64| GenesisTokens {
        owner: address(owner),
        asset: asset.into(),
        amount: amount.into(),
        count,
    };
    Genesis {
        schema: ledger::genesis::GENESIS_SCHEMA.into(),
        network: Name::new("fixture").expect("a good name"),
        epoch: 7,
        committee: (1..).zip(weights).map(member).collect(),
        assets: vec![
            GenesisAsset { name: "GOLD".into(), decimals: 3 },
            GenesisAsset { name: "SILVER".into(), decimals: 0 },
        ],
        tokens: vec![
            tokens(ALICE, "GOLD", "100", 4),
            tokens(ALICE, "SILVER", "1", 1),
            tokens(BOB, "GOLD", "1", 1),
        ],
    }
}

pub fn network() -> Network {
    genesis(&[1, 1, 1, 1]).network().expect("a good genesis")
}

/// The genesis token at this position, as an input.
pub fn input(network: &Network, position: usize) -> Input {
    let made = network.tokens().nth(position).expect("the fixture has it");
    Input { state: made.state, asset: made.asset, amount: made.amount }
}

/// Alice moves the genesis token at this position to Bob.
pub fn payment(network: &Network, position: usize) -> Transfer {
    Transfer {
        network: network.id,
        epoch: network.epoch,
        owner: address(ALICE),
        inputs: vec![input(network, position)],
        outputs: vec![Output::Move { input: 0, to: address(BOB) }],
        memo: String::new(),
    }
}

pub fn item(name: &str) -> AssetDefinition {
    AssetDefinition { name: name.into(), kind: AssetKind::Item { content: raw_cid(b"picture") } }
}

pub fn fungible(name: &str) -> AssetDefinition {
    AssetDefinition { name: name.into(), kind: AssetKind::Fungible { decimals: 2 } }
}

/// A transfer with every kind of output: of two GOLD tokens and the SILVER one, SILVER moves, the
/// GOLD is paid with change, and a fungible asset and an item are issued.
pub fn everything(network: &Network) -> Transfer {
    let gold = input(network, 0).asset;
    let silver = input(network, 4);
    let mut inputs = vec![input(network, 0), input(network, 1), silver];
    inputs.sort_by_key(|input| input.state);
    let moved = inputs.iter().position(|input| *input == silver).expect("it is there");
    let moved = u16::try_from(moved).expect("small");
    let outputs = vec![
        Output::Move { input: moved, to: address(BOB) },
        Output::Create { asset: gold, amount: 150_000, to: address(BOB) },
        Output::Create { asset: gold, amount: 50_000, to: address(ALICE) },
        Output::Issue { definition: fungible("points"), supply: 1_000, to: address(ALICE) },
        Output::Issue { definition: item("painting-7"), supply: 1, to: address(BOB) },
    ];
    Transfer { inputs, outputs, memo: "for the painting ✓".into(), ..payment(network, 0) }
}

pub fn signed(transfer: Transfer) -> SignedTransfer {
    transfer.sign(&key(ALICE))
}

/// A batch of `count` ordinary entries (at most four payments), then `everything` if there is room.
pub fn batch(network: &Network, count: usize) -> Vec<Entry> {
    let payments = [3, 2, 1, 0].map(|position| payment(network, position));
    let all = payments.into_iter().chain([everything(network)]);
    all.take(count).map(|transfer| Entry::ordinary(signed(transfer))).collect()
}

pub fn ballot(network: &Network, phase: Phase, entries: &[Entry], bits: &[bool]) -> Ballot {
    let leaves: Vec<_> =
        entries.iter().map(|entry| entry.leaf(entry.signed.transfer.id())).collect();
    let bitmap = Bitmap::from_bools(bits);
    Ballot { epoch: network.epoch, phase, batch: merkle::root(&leaves), bitmap }
}

/// Member `member` signs the ballot.
pub fn vote(network: &Network, member: u16, ballot: &Ballot) -> Vote {
    let number = u8::try_from(member + 1).expect("small");
    ballot.clone().sign(&network.id, member, &key(number))
}

/// The certificate of these members' votes: (member, its bits).
pub fn certificate(
    network: &Network,
    phase: Phase,
    entries: &[Entry],
    votes: &[(u16, &[bool])],
) -> Certificate {
    let sign = |(member, bits): &(u16, &[bool])| {
        vote(network, *member, &ballot(network, phase, entries, bits))
    };
    let votes: Vec<Vote> = votes.iter().map(sign).collect();
    Certificate::from_votes(&votes.iter().collect::<Vec<_>>())
}

/// The receipt of entry `index`.
pub fn receipt(entries: &[Entry], index: usize, certificate: Certificate) -> Receipt {
    let leaves: Vec<_> =
        entries.iter().map(|entry| entry.leaf(entry.signed.transfer.id())).collect();
    Receipt {
        entry: entries[index].clone(),
        inclusion: Inclusion::new(index, entries.len(), merkle::path(&leaves, index)),
        certificate,
    }
}

/// No truncation decodes, none with a byte more does, and each of the 8 × n single-bit flips fails
/// to decode or gives another value with exactly those bytes, which then goes to `refused`: it says
/// whether the damaged value proves nothing.
pub fn check_damage<T: Canonical + PartialEq + Debug>(value: &T, refused: impl Fn(&T) -> bool) {
    let bytes = value.to_bytes();
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(value));
    for end in 0..bytes.len() {
        assert!(T::from_bytes(&bytes[..end]).is_err(), "cut at {end} of {}", bytes.len());
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(T::from_bytes(&longer), Err(DecodeError::Trailing(1)));
    let mut flipped = bytes.clone();
    for bit in 0..bytes.len() * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = T::from_bytes(&flipped) {
            assert_ne!(other, *value, "bit {bit} flipped and the value is the same");
            assert_eq!(other.to_bytes(), flipped, "bit {bit}");
            assert!(refused(&other), "bit {bit} flipped and it still holds: {other:?}");
        }
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
}
