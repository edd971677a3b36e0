//! One bit of one file of a validator is flipped while it is down; then it is started. Whatever the
//! file, nothing is silently lost or changed: the node refuses to start and says why, or says that
//! it does not vote, or has all that it had. `QUORATE_FLIPS=n` flips n bits, `QUORATE_SEED=n`
//! others.
//!
//! Here the network has one validator, so that its home can be put back for each bit without
//! anybody forgetting a promise. `pair` flips bits of two of seven at once.

#[path = "processes/asking.rs"]
mod asking;
#[path = "processes/folders.rs"]
mod folders;
#[path = "flips/home.rs"]
mod home;
#[path = "flips/pair.rs"]
mod pair;
#[path = "processes/running.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod running;

use home::{Home, KINDS, Kind};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;

/// A number from the environment.
pub fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// What a flipped bit has led to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The node did not start and said why.
    Refused,
    /// It started, and says that it does not vote and why.
    Silent,
    /// It votes, has all that it had, and told of the damage.
    Told,
    /// It votes and has all that it had.
    Harmless,
    /// What must not be.
    Bad(String),
}

#[test]
fn no_flipped_bit_of_any_file_is_silent() {
    let table = flip_some("sled", &KINDS, number("QUORATE_FLIPS", 13));
    assert!(table.len() > 3, "flips do something: {table:?}");
}

#[test]
fn no_flipped_bit_of_an_index_of_fjalls_is_silent() {
    let table = flip_some("fjall", &[Kind::Index], number("QUORATE_FLIPS", 13));
    assert!(!table.is_empty(), "there are files");
}

/// Flips one bit after the other, the kinds in turn; how often each had which outcome.
fn flip_some(engine: &str, kinds: &[Kind], flips: u64) -> BTreeMap<(Kind, Outcome), u64> {
    let home = Home::new(engine);
    let seed = number("QUORATE_SEED", 1);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut table: BTreeMap<(Kind, Outcome), u64> = BTreeMap::new();
    let mut bad = Vec::new();
    for flip in 0..flips {
        let index = usize::try_from(flip).expect("few") % kinds.len();
        let kind = kinds[index];
        home.restore(kind);
        let Some(place) = home.choose(kind, |bits| rng.random_range(0..bits)) else { continue };
        home::flip(&place);
        let outcome = home.start(kind);
        if let Outcome::Bad(why) = &outcome {
            bad.push(format!("seed {seed}, flip {flip}: {place:?}: {why}"));
        }
        let outcome =
            if matches!(outcome, Outcome::Bad(_)) { Outcome::Bad(String::new()) } else { outcome };
        *table.entry((kind, outcome)).or_default() += 1;
    }
    for ((kind, outcome), count) in &table {
        eprintln!("{kind:?} {outcome:?} {count}");
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    table
}
