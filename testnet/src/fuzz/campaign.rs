//! A short campaign of our own against one target: inputs to start from, changed by a seeded
//! generator. One seed is one exact run. Without coverage it finds less than libFuzzer does, and it
//! needs nothing but this crate.

use super::{Script, Target};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// Most changes of one input.
const CHANGES_MAX: u32 = 4;
/// Bytes of a script that changes one input once.
const SCRIPT_BYTES: usize = 80;

/// Runs so many changed inputs through the target; gives how many it ran. An input that breaks the
/// property panics after it was shown with the command that runs it again.
///
/// # Panics
/// When the target does.
pub fn run(target: &Target, inputs: &[Vec<u8>], seed: u64, rounds: u64) -> u64 {
    for round in 0..rounds {
        let input = input(target, inputs, seed, round);
        let shown = Shown { target: target.name, seed, round, input: &input };
        (target.check)(&input);
        std::mem::forget(shown);
    }
    rounds
}

/// The input of one round: it depends on nothing but what is given.
pub fn input(target: &Target, inputs: &[Vec<u8>], seed: u64, round: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let pick = |rng: &mut StdRng| match inputs.len() {
        0 => Vec::new(),
        count => inputs[rng.random_range(0..count)].clone(),
    };
    let mut bytes = pick(&mut rng);
    if rng.random_range(0..8) == 0 {
        // The head of one and the tail of another.
        let other = pick(&mut rng);
        let (head, tail) = (below(&mut rng, bytes.len()), below(&mut rng, other.len()));
        bytes.truncate(head);
        bytes.extend_from_slice(&other[tail..]);
    }
    for _ in 0..rng.random_range(1..=CHANGES_MAX) {
        let mut script = [0; SCRIPT_BYTES];
        rng.fill_bytes(&mut script);
        Script::new(&script).change(&mut bytes);
    }
    bytes.truncate(target.bytes_max);
    bytes
}

fn below(rng: &mut StdRng, length: usize) -> usize {
    rng.random_range(0..=length)
}

/// Tells which input was at work when a panic goes by.
struct Shown<'a> {
    target: &'static str,
    seed: u64,
    round: u64,
    input: &'a [u8],
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        let Self { target, seed, round, input } = self;
        eprintln!("fuzz target {target} is broken in round {round} of seed {seed} by this input:");
        eprintln!("{}", hex::encode(input));
        eprintln!(
            "again: QUORATE_FUZZ_INPUT=HEX cargo test -p testnet --test fuzz_corpus {target}"
        );
    }
}
