//! "I provide these", among good and bad peers.

use super::{network::peer, *};
use crate::{Provided, query::announce::ANNOUNCE_DEADLINE};

fn announced(natures: &[Nature], count: u64) -> (Option<Provided>, Duration) {
    let mut network = Network::new(natures);
    let mut reply = network.announce(&keys(0..count));
    let mut told = None;
    while told.is_none() && network.now - network.start < Duration::from_secs(60) {
        network.run_for(ms(1));
        told = reply.try_recv().ok();
    }
    let elapsed = network.now - network.start;
    network.settle();
    network.manager.assert_empty();
    (told, elapsed)
}

#[test]
fn the_write_quorum_is_enough() {
    let check = |natures: &[Nature], stored, failed| {
        let (told, elapsed) = announced(natures, 100);
        assert_eq!(told, Some(Provided { stored, failed }), "{natures:?}");
        elapsed
    };
    let (good, full) = (live(10), Nature::Full);
    assert!(check(&[good, good, good, good, good, good], 100, 0) < ms(20));
    assert!(check(&[good, good, good, good, good, Nature::Hung], 100, 0) < ms(20));
    check(&[good, good, good, good, good, full], 100, 0);
    assert!(check(&[good, good, good, good, full, full], 0, 100) < ms(20), "it can't be any more");
    check(&[good, good, good, good, Nature::Dead, Nature::Dead], 0, 100);
    check(&[good, good, good, good, Nature::Liar, Nature::Liar], 0, 100);
    let hung = check(&[good, good, good, good, Nature::Hung, Nature::Hung], 0, 100);
    assert!(hung <= ANNOUNCE_DEADLINE);
}

#[test]
fn keys_are_grouped_by_their_peers() {
    let mut network = Network::new(&[live(10); 50]);
    let mut reply = network.announce(&keys(0..1_000));
    network.settle();
    assert_eq!(reply.try_recv(), Ok(Provided { stored: 1_000, failed: 0 }));
    assert!(network.count(|action| matches!(action, Action::Announce { .. })) <= 200);
    network.manager.assert_empty();
}

#[test]
fn without_batch_peers_plain_kademlia_announces() {
    let mut network = Network::new(&[]);
    let mut reply = network.announce(&keys(0..100));
    network.act();
    assert_eq!(network.count(|action| matches!(action, Action::StartProviding { .. })), 32);
    network.settle();
    assert_eq!(reply.try_recv(), Ok(Provided { stored: 100, failed: 0 }));
    network.manager.assert_empty();
}

#[test]
fn plain_kademlia_that_never_ends_is_given_up() {
    let mut network = Network::new(&[]);
    network.walk.2 = Duration::from_secs(3_000);
    let mut reply = network.announce(&keys(0..100));
    network.run_for(ANNOUNCE_DEADLINE);
    assert_eq!(reply.try_recv(), Ok(Provided { stored: 0, failed: 100 }));
    network.run_for(Duration::from_secs(120));
    network.manager.assert_empty();
}

#[test]
fn an_announcement_makes_cached_misses_old() {
    let mut network = Network::new(&[live(10); 6]);
    network.ask(&keys(0..1), strict());
    network.announce(&keys(0..1));
    assert!(!network.ask(&keys(0..1), plain()).answers[0].is_cached);
}

#[test]
fn who_is_gone_fails_at_once() {
    let mut network = Network::new(&[Nature::Hung; 2]);
    let mut reply = network.announce(&keys(0..3));
    network.act();
    network.manager.peer_gone(network.now, &peer(1));
    network.manager.peer_gone(network.now, &peer(2));
    assert_eq!(reply.try_recv(), Ok(Provided { stored: 0, failed: 3 }));
    network.manager.assert_empty();
}

#[test]
fn nothing_to_announce_is_announced_at_once() {
    let mut network = Network::new(&[live(10); 6]);
    assert_eq!(network.announce(&[]).try_recv(), Ok(Provided::default()));
    network.manager.assert_empty();
}
