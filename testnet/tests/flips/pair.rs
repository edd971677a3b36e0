//! Bits flipped in the homes of two of seven validators at once, as many as may be faulty: each of
//! the two refuses to start, or is silent, or has all that the others have; the other five go on,
//! and nothing that was final is another thing afterwards. `QUORATE_FLIP_PAIRS=n` makes n networks.

use crate::asking::{ask, pay, wait_until_same};
use crate::home::{Bit, Kind, choose, flip};
use crate::number;
use crate::running::{Place, wait_until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

/// What a running validator's home has, and what starting it does not write anew.
const KINDS: [Kind; 7] = [
    Kind::Journal,
    Kind::JournalHead,
    Kind::Index,
    Kind::Records,
    Kind::Peers,
    Kind::IpfsKey,
    Kind::Key,
];
/// As many as seven tolerate.
const VICTIMS: [usize; 2] = [5, 6];

/// Starts a victim; whether it runs and says that it votes.
fn start(place: &Place, index: usize) -> Result<bool, String> {
    let started = place.testnet(&format!("start v{index}"));
    if started.exit != 0 {
        let is_told = started.words.contains("error:");
        return if is_told { Ok(false) } else { Err(format!("no reason is told: {started:?}")) };
    }
    let mode = wait_until(|| {
        let node = ask(place, index, "/v1/node");
        (node["mode"] == "voting" || node["mode"] == "silent").then_some(node)
    });
    let node = mode.ok_or("it neither votes nor is it silent")?;
    match node["mode"] == "silent" {
        true if node["failed"].is_string() => Ok(false),
        true => Err("silent without a word".into()),
        false => Ok(true),
    }
}

fn check_round(place: &Place, bits: &[Bit]) -> Result<[usize; 2], String> {
    bits.iter().for_each(flip);
    let mut voting = vec![0, 1, 2, 3, 4];
    let mut counts = [0, 0];
    for index in VICTIMS {
        let votes = start(place, index).map_err(|why| format!("v{index}: {why}"))?;
        counts[usize::from(votes)] += 1;
        voting.extend(votes.then_some(index));
    }
    for _ in 0..3 {
        pay(place);
    }
    wait_until_same(place, &voting)?;
    for index in voting {
        let evidence = ask(place, index, "/v1/evidence");
        if evidence["evidence"].as_array().is_none_or(|rows| !rows.is_empty()) {
            return Err(format!("v{index} has evidence: {evidence}"));
        }
    }
    Ok(counts)
}

#[test]
fn flipped_bits_of_two_of_seven_validators_stop_nobody_and_change_nothing() {
    let (rounds, seed) = (number("QUORATE_FLIP_PAIRS", 1), number("QUORATE_SEED", 1));
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut stopped, mut voting) = (0, 0);
    let mut bad = Vec::new();
    for round in 0..rounds {
        let place = Place::new();
        place.up(7);
        let paid: Vec<Value> = (0..4).map(|_| pay(&place)).collect();
        place.testnet("kill v5 v6").ok();
        let mut draw = |count: u64| rng.random_range(0..count);
        let bits: Vec<Bit> = VICTIMS
            .iter()
            .filter_map(|index| {
                let kind = KINDS[usize::try_from(draw(7)).expect("below 7")];
                choose(&place.dir(), &place.dir().join(format!("v{index}")), kind, &mut draw)
            })
            .collect();
        match check_round(&place, &bits) {
            Ok(counts) => (stopped, voting) = (stopped + counts[0], voting + counts[1]),
            Err(why) => bad.push(format!("seed {seed}, round {round}: {bits:?}: {why}")),
        }
        for paid in &paid {
            let id = paid["id"].as_str().expect("an id");
            assert_eq!(ask(&place, 0, &format!("/v1/transfers/{id}"))["status"], "final", "{id}");
        }
    }
    eprintln!("{rounds} networks: {stopped} did not vote and said why, {voting} had all");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
