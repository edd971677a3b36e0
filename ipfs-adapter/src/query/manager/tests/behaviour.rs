//! What queries do among good and bad peers.

use super::{
    network::{outcome, peer, provider},
    *,
};
use crate::query::timeout::{TIMEOUT_INITIAL, TIMEOUT_MIN};

#[test]
fn a_miss_is_complete_when_a_quorum_replied() {
    let mut network = Network::new(&[live(10); 6]);
    let outcome = network.ask(&keys(0..250), strict());
    assert!(outcome.is_complete());
    assert!(outcome.answers.iter().all(|answer| answer.providers.is_empty()));
    assert!(outcome.answers.iter().all(|answer| answer.replies >= 2 && !answer.is_cached));
    network.settle();
    assert_eq!(network.count(|action| matches!(action, Action::Ask { .. })), 6);
    network.manager.assert_empty();
}

#[test]
fn a_thousand_keys_take_about_as_long_as_one() {
    for peers in [6, 50] {
        let mut one = Network::new(&vec![live(20); peers]);
        let single = one.ask(&keys(0..1), strict()).elapsed;
        let mut many = Network::new(&vec![live(20); peers]);
        let outcome = many.ask(&keys(0..1_000), strict());
        assert!(outcome.is_complete());
        assert!(outcome.elapsed <= 3 * single, "{:?} for {single:?}", outcome.elapsed);
        many.settle();
        many.manager.assert_empty();
    }
}

#[test]
fn the_nearest_peers_are_asked_and_no_others() {
    let mut network = Network::new(&[live(5); 50]);
    let wanted = key(7);
    network.ask(&[wanted], strict());
    let sha = |bytes: &[u8]| *ContentId::of(bytes).digest();
    let point = sha(&[&[0x12, 0x20], &wanted.digest()[..]].concat());
    let mut nearest: Vec<_> = network.natures.keys().copied().collect();
    nearest.sort_by_key(|peer| {
        let other = sha(&peer.to_bytes());
        point.iter().zip(other).map(|(a, b)| a ^ b).collect::<Vec<u8>>()
    });
    for (rank, peer) in nearest.iter().enumerate() {
        assert_eq!(network.asked(peer), usize::from(rank < REPLICATION), "{rank}");
    }
}

#[test]
fn providers_stream_and_enough_of_them_end_the_query() {
    let mut network = Network::new(&[live(10); 6]);
    network.records.insert(key(1), (100..110).map(provider).collect());
    network.records.insert(key(2), vec![provider(100)]);
    let options = FindOptions { providers_max: 3, completion: Completion::All, ..strict() };
    let mut query = network.find(&[key(1), key(3), key(1)], options).expect("there is room");
    network.run_while(|manager| manager.metrics().queries_in_flight > 0);
    let mut found = Vec::new();
    while let Some(Some(one)) = futures::FutureExt::now_or_never(query.next()) {
        found.push(one.index);
    }
    found.sort_unstable();
    assert_eq!(found, [0, 0, 0, 2, 2, 2]);
    let ended = outcome(query);
    assert_eq!(ended.answers[0], ended.answers[2], "one look-up, two answers");
    assert_eq!(ended.answers[1].replies, 6);
    let early = network.ask(&[key(2)], FindOptions { providers_max: 1, ..options });
    assert!(early.answers[0].replies < 6);
    network.settle();
    network.manager.assert_empty();
}

#[test]
fn a_share_of_the_replies_ends_the_query() {
    let mut natures = vec![live(10); 9];
    natures.push(Nature::Hung);
    let share = |percent| FindOptions { completion: Completion::Share(percent), ..strict() };
    let outcome = Network::new(&natures).ask(&keys(0..10), share(90));
    assert!(outcome.elapsed < ms(50));
    assert_eq!(outcome.answers[0].replies, 9);
    let outcome = Network::new(&natures).ask(&keys(0..10), share(100));
    assert!(outcome.elapsed >= TIMEOUT_MIN);
}

#[test]
fn at_the_deadline_what_arrived_is_returned_and_is_not_complete() {
    let mut network = Network::new(&[live(10), Nature::Hung, Nature::Hung, Nature::Hung]);
    network.records.insert(key(1), vec![provider(100)]);
    let options = FindOptions { deadline: ms(100), ..strict() };
    let outcome = network.ask(&[key(1), key(2)], options);
    assert_eq!(outcome.elapsed, ms(100));
    let check = |answer: &KeyAnswer, providers| {
        let found = (answer.providers.len(), answer.replies, answer.failures, answer.is_complete);
        assert_eq!(found, (providers, 1, 3, false));
    };
    check(&outcome.answers[0], 1);
    check(&outcome.answers[1], 0);
    network.settle();
    network.manager.assert_empty();
    assert!(network.manager.cache.answer(&key(2), network.now, 1).is_none());
}

#[test]
fn incomplete_is_never_complete() {
    for bad in [Nature::Dead, Nature::Hung, Nature::Liar, Nature::Refusing] {
        // R = 6, q = 2: one good peer is not enough.
        let mut network = Network::new(&[live(5), bad, bad, bad, bad, bad]);
        let outcome = network.ask(&keys(0..3), strict());
        assert!(outcome.answers.iter().all(|answer| !answer.is_complete), "{bad:?}");
        assert!(outcome.elapsed <= strict().deadline);
        network.settle();
        network.manager.assert_empty();
    }
}

#[test]
fn a_hit_that_did_not_fit_is_no_miss() {
    let mut network = Network::new(&[live(5); 6]);
    network.records.insert(key(1), vec![]);
    let outcome = network.ask(&keys(0..3), strict());
    let complete: Vec<_> = outcome.answers.iter().map(|answer| answer.is_complete).collect();
    assert_eq!(complete, [true, false, true]);
}

#[test]
fn timeouts_converge_on_the_network() {
    let timeout_after = |latency_ms| {
        let mut network = Network::new(&[live(latency_ms); 6]);
        for round in 0..30 {
            network.ask(&keys(round * 10..round * 10 + 10), strict());
            network.settle();
        }
        let last = network.actions.iter().rev().find_map(|(_, action)| match action {
            Action::Ask { timeout, .. } => Some(*timeout),
            _ => None,
        });
        last.expect("somebody was asked")
    };
    assert_eq!(timeout_after(2), TIMEOUT_MIN);
    let slow = timeout_after(800);
    assert!(slow > ms(1_000) && slow < ms(2_500), "{slow:?}");
}

#[test]
fn a_fifth_of_dead_peers_costs_nothing_and_no_herd_comes() {
    for bad in [Nature::Dead, Nature::Hung] {
        let mut natures = vec![live(20); 40];
        natures.extend([bad; 10]);
        let mut network = Network::new(&natures);
        for round in 0..100 {
            let outcome = network.ask(&keys(round * 100..round * 100 + 100), strict());
            assert!(outcome.is_complete());
            network.run_for(ms(20));
        }
        network.settle();
        let metrics = network.manager.metrics();
        assert!(u128::from(metrics.p95_us) < TIMEOUT_MIN.as_micros(), "{metrics:?}");
        // 50 peers, 100 rounds: one message each, and few on top.
        assert!(metrics.requests < 50 * 100 * 11 / 10, "{metrics:?}");
        network.manager.assert_empty();
    }
}

#[test]
fn a_peer_that_always_fails_is_not_asked_any_more_but_for_a_probe() {
    for bad in [Nature::Dead, Nature::Hung, Nature::Liar, Nature::Refusing] {
        let mut network = Network::new(&[bad, live(5), live(5), live(5)]);
        let lone = peer(1);
        for round in 0..60 {
            network.ask(&keys(round..round + 1), strict());
            network.run_for(Duration::from_secs(1));
        }
        let before = network.asked(&lone);
        assert!(before <= 24, "{bad:?}: {before}");
        for round in 100..160 {
            network.ask(&keys(round..round + 1), strict());
            network.run_for(Duration::from_secs(1));
        }
        let probes = network.asked(&lone) - before;
        assert!((1..=3).contains(&probes), "{bad:?}: {probes}");
        let evictions = network.count(|action| *action == Action::Evict { peer: lone });
        assert_eq!(evictions, usize::from(bad == Nature::Hung), "{bad:?}");
        network.settle();
        network.manager.assert_empty();
    }
}

#[test]
fn a_peer_that_is_back_is_asked_again() {
    let mut network = Network::new(&[Nature::Hung, live(5), live(5), live(5)]);
    for round in 0..60 {
        network.ask(&keys(round..round + 1), strict());
        network.run_for(Duration::from_secs(1));
    }
    network.natures.insert(peer(1), live(5));
    network.run_for(PROBE_EVERY);
    for round in 100..110 {
        network.ask(&keys(round..round + 1), strict());
        network.run_for(Duration::from_secs(1));
    }
    let scores = network.manager.peers();
    let back = scores.iter().find(|score| score.peer == peer(1)).expect("it is connected");
    assert!(!back.is_sunk && back.replies >= 9, "{back:?}");
}

#[test]
fn a_slow_reply_is_hedged() {
    let mut network = Network::new(&[live(10); 6]);
    for round in 0..20 {
        network.ask(&keys(round..round + 1), plain());
        network.settle();
    }
    for peer in network.natures.clone().into_keys().take(2) {
        network.natures.insert(peer, Nature::Hung);
    }
    for round in 100..110 {
        let outcome = network.ask(&keys(round..round + 1), plain());
        assert!(outcome.is_complete());
        assert!(outcome.elapsed < TIMEOUT_MIN, "{:?}", outcome.elapsed);
    }
    assert!(network.manager.metrics().hedges > 0);
    network.settle();
    network.manager.assert_empty();
}

#[test]
fn queries_share_look_ups_and_strict_ones_only_fresh_ones() {
    let mut network = Network::new(&[live(10); 6]);
    let asks = |network: &Network| network.count(|action| matches!(action, Action::Ask { .. }));
    let first = network.find(&keys(0..10), strict()).expect("there is room");
    let second = network.find(&keys(0..10), strict()).expect("there is room");
    network.act();
    assert_eq!(asks(&network), 6);
    let third = network.find(&keys(0..10), plain()).expect("there is room");
    network.act();
    assert_eq!(asks(&network), 6);
    let fourth = network.find(&keys(0..10), strict()).expect("there is room");
    network.act();
    assert_eq!(asks(&network), 12, "a reply may be older than this query");
    network.settle();
    for query in [first, second, third, fourth] {
        assert!(outcome(query).is_complete());
    }
    network.manager.assert_empty();
}

#[test]
fn answers_are_cached_and_strict_queries_do_not_read_them() {
    let mut network = Network::new(&[live(10); 6]);
    network.records.insert(key(1), vec![provider(100)]);
    network.ask(&keys(0..2), strict());
    let cached = network.ask(&keys(0..2), plain());
    assert!(cached.answers.iter().all(|answer| answer.is_cached && answer.is_complete));
    assert_eq!((cached.elapsed, cached.answers[1].providers.len()), (Duration::ZERO, 1));
    assert!(network.ask(&keys(0..2), strict()).answers.iter().all(|answer| !answer.is_cached));
    network.manager.invalidate(&key(0));
    let again = network.ask(&keys(0..2), plain());
    assert_eq!(again.answers.iter().filter(|answer| answer.is_cached).count(), 1);
    let metrics = network.manager.metrics();
    assert_eq!((metrics.cache_hits, metrics.cache_misses), (3, 1));
}

#[test]
fn what_was_invalidated_under_way_is_not_cached() {
    let mut network = Network::new(&[live(10); 6]);
    let query = network.find(&keys(0..1), plain()).expect("there is room");
    network.act();
    network.manager.invalidate(&key(0));
    network.settle();
    assert!(outcome(query).is_complete());
    assert!(!network.ask(&keys(0..1), plain()).answers[0].is_cached);
}

#[test]
fn retries_stop_after_three_and_keep_their_pauses() {
    let mut network = Network::new(&[Nature::Dead]);
    let outcome = network.ask(&keys(0..1), strict());
    assert!(!outcome.is_complete());
    let times: Vec<_> = network.actions.iter().map(|(at, _)| *at - network.start).collect();
    assert_eq!(times.len(), 4);
    for (retry, pair) in times.windows(2).enumerate() {
        let longest = [ms(50), ms(100), ms(200)][retry] + ms(1);
        assert!(pair[1] - pair[0] <= longest);
    }
    assert_eq!(network.manager.metrics().retries, 3);
}

#[test]
fn a_proven_miss_is_not_asked_again() {
    let mut network = Network::new(&[live(5), live(5), Nature::Dead, Nature::Dead]);
    network.ask(&keys(0..1), strict());
    network.run_for(Duration::from_secs(1));
    let retries = network.manager.metrics().retries;
    network.run_for(Duration::from_secs(5));
    assert_eq!(network.manager.metrics().retries, retries);
}

#[test]
fn who_is_gone_fails_at_once() {
    let mut network = Network::new(&[Nature::Hung; 3]);
    let query = network.find(&keys(0..5), strict()).expect("there is room");
    network.act();
    network.run_for(ms(10));
    for number in 1..=3 {
        network.manager.peer_gone(network.now, &peer(number));
    }
    let ended = outcome(query);
    assert_eq!((ended.elapsed, ended.answers[0].failures), (ms(10), 3));
    network.manager.assert_empty();
    assert!(network.manager.peers().is_empty());
}

#[test]
fn providers_under_the_floor_are_left_out() {
    let mut network = Network::new(&[live(5); 4]);
    network.records.insert(key(1), vec![provider(100), provider(101)]);
    let now = network.now;
    (0..4).for_each(|_| network.manager.penalize(now, &peer(100)));
    let outcome = network.ask(&[key(1)], strict());
    assert_eq!(outcome.answers[0].providers, [provider(101)]);
    network.manager.reward(&peer(100));
    let outcome = network.ask(&[key(1)], strict());
    assert_eq!(outcome.answers[0].providers.len(), 2);
}

#[test]
fn without_batch_peers_plain_kademlia_is_asked() {
    let mut network = Network::new(&[]);
    network.records.insert(key(1), vec![provider(100)]);
    let outcome = network.ask(&keys(0..100), strict());
    assert!(outcome.is_complete());
    assert_eq!(outcome.answers[1].providers, [provider(100)]);
    assert_eq!(network.manager.metrics().lookups, 100);
    network.walk = (3, 17, ms(5));
    let outcome = network.ask(&keys(200..201), strict());
    assert!(!outcome.answers[0].is_complete, "3 of 20 prove nothing");
    network.walk = (0, 0, ms(5));
    assert!(!network.ask(&keys(300..301), strict()).answers[0].is_complete);
    network.walk = (20, 0, Duration::from_secs(60));
    let hangs = FindOptions { deadline: ms(500), ..strict() };
    assert!(!network.ask(&keys(400..500), hangs).is_complete());
    network.act();
    assert_eq!(network.stopped.len(), 32, "those under way are stopped");
    network.manager.assert_empty();
}

#[test]
fn replies_that_nobody_waits_for_change_nothing() {
    let mut network = Network::new(&[Nature::Hung; 2]);
    let query = network.find(&keys(0..1), strict()).expect("there is room");
    network.act();
    let now = network.now;
    let hits = vec![(0, vec![provider(100)])];
    network.manager.found(now, 1, &peer(50), &hits);
    network.manager.found(now, 77, &peer(1), &hits);
    network.manager.stored(now, 1, &peer(1), &[true]);
    network.manager.failed(now, 77, &peer(1), Failure::Lied);
    network.manager.lookup_ended(now, &key(9), 1, 1);
    network.manager.providing_ended(&key(9), true);
    network.run_for(TIMEOUT_INITIAL + ms(1));
    network.manager.found(network.now, 1, &peer(1), &hits);
    drop(query);
    network.settle();
    network.manager.assert_empty();
}
