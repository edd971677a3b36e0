//! The product's start, on a disk that loses what was not synced.

use super::*;
use ledger::Digest;

fn who() -> (NetworkId, Keypair) {
    (NetworkId(Digest([7; 32])), Keypair::from_seed([1; 32]))
}

fn options() -> Options {
    Options { segment_bytes: 16 * 1024, ..Options::new([7; 32]) }
}

/// What a start found, and whether the one that died before it may have voted.
struct Met {
    is_silent: bool,
    has_voted: bool,
}

/// Starts twice: power goes at the given call of the first start, or right after it.
fn start_over(store: &mut Store, first_dies_at: u32) -> Met {
    let (network, keypair) = who();
    store.disk.image().weakness.fuse = Some(first_dies_at);
    let first = store.open(&keypair, &network, options());
    let has_voted = first.is_ok_and(|found| found.silence.is_none());
    store.close();
    store.disk.image().crash();
    let found = store.open(&keypair, &network, options()).expect("nothing fails now");
    Met { is_silent: found.silence.is_some(), has_voted }
}

/// What a start finds after the process was killed at one call of its disk, and power went at
/// another one of the next start.
fn after_two_deaths(seed: u64, killed_at: u32, dies_at: u32) -> bool {
    let (network, keypair) = who();
    let mut store = Store::new(seed, &network, &keypair).expect("made");
    store.disk.image().wipe();
    store.disk.create_dir(Path::new(HOME)).expect("made");
    // The folder of the journal may be there, empty.
    if seed.is_multiple_of(2) {
        store.disk.create_dir(&Path::new(HOME).join("journal")).expect("made");
    }
    store.disk.image().weakness.fuse = Some(killed_at);
    let first = store.open(&keypair, &network, options());
    store.close();
    store.disk.image().kill();
    let met = start_over(&mut store, dies_at);
    let has_voted = met.has_voted || first.is_ok_and(|found| found.silence.is_none());
    met.is_silent && !has_voted
}

#[test]
fn a_lost_store_is_silent_after_a_kill_and_a_power_cut_at_any_two_calls() {
    for seed in 0..4 {
        for (killed_at, dies_at) in (0..20).flat_map(|one| (0..20).map(move |two| (one, two))) {
            let is_silent = after_two_deaths(seed, killed_at, dies_at);
            let place = format!("seed {seed}, killed at call {killed_at}, power went at {dies_at}");
            assert!(is_silent, "{place}: it would vote without its promises");
        }
    }
}

#[test]
fn a_first_start_is_one_after_a_power_cut_at_any_call() {
    let (network, keypair) = who();
    for seed in 0..8 {
        for dies_at in 0..24 {
            let mut store = Store::new(seed, &network, &keypair).expect("made");
            let met = start_over(&mut store, dies_at);
            assert!(!met.is_silent, "seed {seed}, power went at call {dies_at}");
        }
    }
}

/// What is durable of a journal that rolls over from segment to segment, when the process is killed
/// at one call of its disk and power goes at another one of the next start; and what that start
/// and the one after it find.
fn rolls_over(seed: u64, killed_at: u32, dies_at: u32) -> (u64, [Option<Found>; 2]) {
    let (network, keypair) = who();
    let mut store = Store::new(seed, &network, &keypair).expect("made");
    store.open(&keypair, &network, options()).expect("a first start");
    store.disk.image().weakness.fuse = Some(killed_at);
    for kind in 1..=4 {
        let journal = store.journal.as_ref().expect("open");
        // A full segment takes one of them. A journal that has failed takes none.
        drop(journal.append(kind, vec![kind; 3_000]));
        store.finish();
    }
    let durable = store.durable();
    store.close();
    store.disk.image().kill();
    store.disk.image().weakness.fuse = Some(dies_at);
    let killed = store.open(&keypair, &network, options()).ok();
    store.close();
    store.disk.image().crash();
    (durable, [killed, store.open(&keypair, &network, options()).ok()])
}

#[test]
fn a_journal_that_rolls_over_is_whole_after_a_kill_and_a_power_cut_at_any_two_calls() {
    for seed in 0..4 {
        for (killed_at, dies_at) in (0..40).flat_map(|one| (0..20).map(move |two| (one, two))) {
            let place = format!("seed {seed}, killed at call {killed_at}, power went at {dies_at}");
            let (durable, [killed, last]) = rolls_over(seed, killed_at, dies_at);
            let last = last.unwrap_or_else(|| panic!("{place}: it can't start"));
            assert!(last.silence.is_none(), "{place}: {:?}", last.silence);
            let read = u64::try_from(last.rows.len()).expect("four");
            assert!(read >= durable, "{place}: {read} records, {durable} were durable");
            let shown = killed.map_or(0, |found| found.rows.len());
            assert!(last.rows.len() >= shown, "{place}: {read} records, {shown} were shown");
        }
    }
}
