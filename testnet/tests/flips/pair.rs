//! Bits flipped in the homes of two of seven validators at once, as many as may be faulty: each of
//! the two refuses to start, or is silent, or has all that the others have; the other five go on,
//! and nothing that was final is another thing afterwards. `QUORATE_FLIP_PAIRS=n` makes n networks.

use crate::home::{Bit, Kind, ask, choose, flip};
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

/// Where a validator answers now.
fn api(place: &Place, index: usize) -> String {
    let text = std::fs::read(place.dir().join("testnet.json")).expect("a description");
    let file: Value = serde_json::from_slice(&text).expect("JSON");
    file["validators"][index]["api"].as_str().expect("a URL").into()
}

fn node(place: &Place, index: usize) -> Value {
    ask(&api(place, index), "/v1/node").unwrap_or_default()
}

fn pay(place: &Place) -> String {
    let paid = place.quorate("--node v0 transfer alice bob 1").ok();
    assert_eq!(paid["status"], "final");
    paid["id"].as_str().expect("an id").into()
}

/// Starts a victim; whether it runs and says that it votes.
fn start(place: &Place, index: usize) -> Result<bool, String> {
    let started = place.testnet(&format!("start v{index}"));
    if started.exit != 0 {
        let is_told = started.words.contains("error:");
        return if is_told { Ok(false) } else { Err(format!("no reason is told: {started:?}")) };
    }
    let mode = wait_until(|| {
        let node = node(place, index);
        (node["mode"] == "voting" || node["mode"] == "silent").then_some(node)
    });
    let node = mode.ok_or("it neither votes nor is it silent")?;
    match node["mode"] == "silent" {
        true if node["failed"].is_string() => Ok(false),
        true => Err("silent without a word".into()),
        false => Ok(true),
    }
}

/// Waits until these have applied the same; what they have when they never do.
fn check_even(place: &Place, indexes: &[usize]) -> Result<(), String> {
    let stand = |index: &usize| {
        let node = node(place, *index);
        (node["applied"].clone(), node["digest"].clone())
    };
    let even = wait_until(|| {
        let stands: Vec<(Value, Value)> = indexes.iter().map(stand).collect();
        stands.iter().all(|one| *one == stands[0] && one.0.is_u64()).then_some(())
    });
    even.ok_or_else(|| format!("{:?} differ", indexes.iter().map(stand).collect::<Vec<_>>()))
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
    check_even(place, &voting)?;
    for index in voting {
        let evidence = ask(&api(place, index), "/v1/evidence").unwrap_or_default();
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
        let paid: Vec<String> = (0..4).map(|_| pay(&place)).collect();
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
        for id in &paid {
            let transfer = ask(&api(&place, 0), &format!("/v1/transfers/{id}"));
            assert_eq!(transfer.unwrap_or_default()["status"], "final", "{id}");
        }
    }
    eprintln!("{rounds} networks: {stopped} did not vote and said why, {voting} had all");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
