//! The product's start, on a disk that loses what was not synced.

use super::*;
use ledger::Digest;

fn who() -> (NetworkId, Keypair) {
    (NetworkId(Digest([7; 32])), Keypair::from_seed([1; 32]))
}

fn options() -> Options {
    Options { segment_bytes: 16 * 1024, ..Options::new([7; 32]) }
}

/// The disk call at which power went, or the process was killed, and what a start after it found.
#[derive(Debug)]
struct Met {
    is_silent: bool,
    has_voted: bool,
}

/// Starts until one succeeds; power goes, or the process is killed, at the given call of the first.
fn start_over(store: &mut Store, first_dies_at: u32, is_kill: bool) -> Met {
    let (network, keypair) = who();
    store.disk.image().weakness.fuse = Some(first_dies_at);
    let first = store.open(&keypair, &network, options());
    let has_voted = first.is_ok_and(|found| !found.is_silent);
    store.close();
    match is_kill {
        true => store.disk.image().kill(),
        false => store.disk.image().crash(),
    }
    let found = store.open(&keypair, &network, options()).expect("nothing fails now");
    Met { is_silent: found.is_silent, has_voted }
}

#[test]
fn a_lost_store_is_silent_after_a_kill_and_a_power_cut_at_any_two_calls() {
    let (network, keypair) = who();
    for seed in 0..8 {
        for killed_at in 0..24 {
            let mut store = Store::new(seed, &network, &keypair).expect("made");
            store.disk.image().wipe();
            store.disk.create_dir(Path::new(HOME)).expect("made");
            // The folder of the journal may be there, empty.
            if seed % 2 == 0 {
                store.disk.create_dir(&Path::new(HOME).join("journal")).expect("made");
            }
            let met = start_over(&mut store, killed_at, true);
            assert!(met.is_silent && !met.has_voted, "killed at call {killed_at}: {met:?}");
            store.close();
            store.disk.image().crash();
            let found = store.open(&keypair, &network, options()).expect("it starts");
            let place = format!("seed {seed}, killed at call {killed_at}, then power went");
            assert!(found.is_silent, "{place}: it would vote without its promises");
        }
    }
}

#[test]
fn a_first_start_is_one_after_a_power_cut_at_any_call() {
    let (network, keypair) = who();
    for seed in 0..8 {
        for dies_at in 0..24 {
            let mut store = Store::new(seed, &network, &keypair).expect("made");
            let met = start_over(&mut store, dies_at, false);
            assert!(!met.is_silent, "seed {seed}, power went at call {dies_at}");
        }
    }
}
