//! Random peers, loads and accidents; a failure prints its seed.

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{
    network::{outcome, provider},
    replicas::write_quorum,
    *,
};
use crate::Query;

fn nature(rng: &mut StdRng) -> Nature {
    match rng.random_range(0..12) {
        0 => Nature::Dead,
        1 => Nature::Hung,
        2 => Nature::Liar,
        3 => Nature::Refusing,
        4 => Nature::Full,
        slow => live(slow * 3),
    }
}

fn options(rng: &mut StdRng) -> FindOptions {
    let completion = match rng.random_range(0..4) {
        0 => Completion::All,
        1 => Completion::Share(rng.random_range(0..=255)),
        _ => Completion::Quorum,
    };
    FindOptions {
        deadline: ms(rng.random_range(0..3_000)),
        completion,
        providers_max: rng.random_range(0..4),
        use_cache: rng.random_bool(0.5),
    }
}

/// A record that the write quorum has taken is never reported as complete and absent, whoever of
/// the replicas fails.
#[test]
fn what_a_write_quorum_holds_is_never_proven_absent() {
    for seed in 0..150 {
        let mut rng = StdRng::seed_from_u64(seed);
        let count = rng.random_range(1..=REPLICATION);
        let natures: Vec<_> = (0..count).map(|_| nature(&mut rng)).collect();
        let mut network = Network::new(&natures);
        network.records = keys(0..20).into_iter().map(|key| (key, vec![provider(200)])).collect();
        let mut peers: Vec<_> = network.natures.keys().copied().collect();
        peers.shuffle(&mut rng);
        let forgetful = count - write_quorum(count);
        // Who keeps no records or refuses was no part of the write quorum.
        peers.sort_by_key(|peer| matches!(network.natures[peer], Nature::Live { .. }));
        network.forgetful = peers.into_iter().take(forgetful).collect();
        for round in 0..20 {
            let outcome = network.ask(&keys(round..round + 1), options(&mut rng));
            let answer = &outcome.answers[0];
            assert!(!answer.is_complete || !answer.providers.is_empty(), "seed {seed}: {answer:?}");
        }
        network.settle();
        network.manager.assert_empty();
    }
}

/// Queries, announcements, peers that come and go, handles dropped: nothing panics, every query
/// that somebody waits for ends by its deadline, and nothing is left.
#[test]
fn whatever_happens_every_query_ends_and_nothing_is_left() {
    for seed in 0..150 {
        let mut rng = StdRng::seed_from_u64(seed);
        let count = rng.random_range(0..40);
        let natures: Vec<_> = (0..count).map(|_| nature(&mut rng)).collect();
        let mut network = Network::new(&natures);
        network.records = keys(0..50).into_iter().map(|key| (key, vec![provider(200)])).collect();
        let peers: Vec<_> = network.natures.keys().copied().collect();
        let mut waiting: Vec<Query> = Vec::new();
        for _ in 0..60 {
            let from = rng.random_range(0..100);
            let range = from..from + rng.random_range(0..30);
            match rng.random_range(0..8) {
                0 => drop(network.announce(&keys(range))),
                1 if !waiting.is_empty() => drop(waiting.pop()),
                2 if !peers.is_empty() => {
                    let gone = peers[rng.random_range(0..peers.len())];
                    network.manager.peer_gone(network.now, &gone);
                }
                3 => network.connect(),
                4 => network.manager.invalidate(&key(from)),
                _ => {
                    let options = options(&mut rng);
                    waiting.push(network.find(&keys(range), options).expect("there is room"));
                }
            }
            network.run_for(ms(rng.random_range(0..100)));
        }
        network.run_for(Duration::from_secs(3));
        assert_eq!(network.manager.metrics().queries_in_flight, 0, "seed {seed}");
        for query in waiting {
            assert!(outcome(query).elapsed <= ms(3_000), "seed {seed}");
        }
        network.settle();
        network.manager.assert_empty();
    }
}
