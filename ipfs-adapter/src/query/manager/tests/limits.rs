//! Every limit, filled past the brim; and that nothing is left behind.

use std::mem::size_of;

use tokio::sync::oneshot;

use super::{
    flight::{Flight, QueryState, Waiter},
    network::{outcome, peer},
    replicas::Replica,
    *,
};
use crate::{
    Found, IpfsError, KEYS_PER_QUERY_MAX,
    query::{announce::ANNOUNCEMENTS_MAX, preset::REQUESTS_PER_PEER_MAX},
};

#[test]
fn ten_thousand_queries_become_few_messages_and_leave_nothing_behind() {
    for peers in [6, 50] {
        let mut network = Network::new(&vec![live(10); peers]);
        let queries: Vec<_> = (0..10_000)
            .map(|number| network.find(&[key(number)], plain()).expect("there is room"))
            .collect();
        let refused = network.find(&[key(1)], plain()).map(|_| ());
        assert_eq!(refused, Err(IpfsError::Busy { count: QUERIES_MAX }));
        assert!(network.manager.bytes_in_flight() <= 64 << 20);
        network.run_while(|manager| manager.metrics().queries_in_flight > 0);
        assert!(queries.into_iter().all(|query| outcome(query).is_complete()));
        network.settle();
        network.manager.assert_empty();
        let messages = network.count(|action| matches!(action, Action::Ask { .. }));
        assert!(messages <= peers * 12, "{messages}");
    }
}

impl Manager {
    /// A generous estimate of the memory of everything under way, channels included.
    fn bytes_in_flight(&self) -> usize {
        // What a map or an allocation costs beside its value.
        const OVERHEAD: usize = 64;
        // tokio allocates the slots of a channel 32 at a time.
        let channel = 32 * size_of::<Found>() + 512;
        let queries: usize = self
            .queries
            .values()
            .map(|query| {
                let answers = query.answers.len() * size_of::<KeyAnswer>();
                size_of::<QueryState>() + answers + channel + 6 * OVERHEAD
            })
            .sum();
        let flights: usize = self
            .flights
            .values()
            .map(|flight| {
                let keys = flight.keys.len() * (size_of::<ContentId>() * 2 + 16 + 8);
                let replicas = flight.replicas.len() * (size_of::<Replica>() + 16);
                let waiters = flight.waiters.len() * (size_of::<Waiter>() + OVERHEAD);
                size_of::<Flight>() + keys + replicas + waiters + 6 * OVERHEAD
            })
            .sum();
        queries + flights
    }
}

#[test]
fn dropped_handles_end_their_queries() {
    for nature in [Nature::Hung, live(10)] {
        let mut network = Network::new(&[nature; 6]);
        let queries: Vec<_> = (0..1_000)
            .map(|number| network.find(&keys(number..number + 3), strict()).expect("room"))
            .collect();
        network.act();
        drop(queries);
        network.run_for(SWEEP_EVERY);
        assert_eq!(network.manager.metrics().queries_in_flight, 0);
        network.settle();
        network.manager.assert_empty();
    }
}

#[test]
fn askers_who_left_before_are_not_asked_for() {
    let mut network = Network::new(&[live(10); 6]);
    drop(network.find(&keys(0..100), strict()));
    network.act();
    assert_eq!(network.actions.len(), 0);
    assert_eq!(network.manager.metrics().cancelled, 1);
    network.manager.assert_empty();
}

#[test]
fn too_many_keys_are_refused() {
    let mut network = Network::new(&[Nature::Hung; 2]);
    let count = KEYS_PER_QUERY_MAX + 1;
    let many = vec![key(1); count];
    let refused = network.find(&many, strict()).map(|_| ());
    assert_eq!(refused, Err(IpfsError::TooManyKeys { count }));
    let (reply, _receiver) = oneshot::channel();
    let refused = network.manager.announce(network.now, &many, reply);
    assert_eq!(refused, Err(IpfsError::TooManyKeys { count }));
    let whole = u64::try_from(KEYS_PER_QUERY_MAX).expect("a small constant");
    let mut queries = Vec::new();
    for number in 0..64 {
        let keys = keys(number * whole..(number + 1) * whole);
        queries.push(network.find(&keys, strict()).expect("there is room"));
    }
    let refused = network.find(&keys(0..1), strict()).map(|_| ());
    assert_eq!(refused, Err(IpfsError::Busy { count: KEYS_MAX }));
    drop(queries);
    network.settle();
    network.manager.assert_empty();
}

#[test]
fn messages_to_a_peer_and_their_keys_are_bounded() {
    let mut network = Network::new(&[Nature::Hung]);
    let mut queries = Vec::new();
    for number in 0..20 {
        let keys = keys(number * 3_000..(number + 1) * 3_000);
        queries.push(network.find(&keys, strict()).expect("there is room"));
        network.act();
    }
    assert_eq!(network.asked(&peer(1)), REQUESTS_PER_PEER_MAX);
    network.settle();
    let is_over = |action: &Action| match action {
        Action::Ask { keys, .. } => keys.len() > KEYS_PER_QUERY_MAX,
        _ => false,
    };
    assert_eq!(network.count(is_over), 0);
    network.manager.assert_empty();
}

#[test]
fn look_ups_by_plain_kademlia_are_bounded() {
    let mut network = Network::new(&[]);
    let query = network.find(&keys(0..1_000), strict()).expect("there is room");
    network.act();
    assert_eq!(network.manager.metrics().lookups_in_flight, 32);
    assert_eq!(network.count(|action| matches!(action, Action::Lookup { .. })), 32);
    network.settle();
    assert!(outcome(query).is_complete());
    network.manager.assert_empty();
}

#[test]
fn announcements_are_bounded() {
    let mut network = Network::new(&[Nature::Hung; 2]);
    for number in 0..1_024 {
        drop(network.announce(&keys(number..number + 1)));
    }
    let (reply, _receiver) = oneshot::channel();
    let refused = network.manager.announce(network.now, &keys(0..1), reply);
    assert_eq!(refused, Err(IpfsError::Busy { count: ANNOUNCEMENTS_MAX }));
    network.settle();
    network.manager.assert_empty();
    let whole = u64::try_from(KEYS_PER_QUERY_MAX).expect("a small constant");
    for number in 0..64 {
        drop(network.announce(&keys(number * whole..(number + 1) * whole)));
    }
    let (reply, _receiver) = oneshot::channel();
    let refused = network.manager.announce(network.now, &keys(0..1), reply);
    assert_eq!(refused, Err(IpfsError::Busy { count: KEYS_MAX }));
    network.settle();
    network.manager.assert_empty();
}

#[test]
fn peers_and_scores_are_bounded() {
    let mut network = Network::new(&[]);
    let peers: Vec<_> = (0..PEERS_MAX + 10).map(|_| libp2p::PeerId::random()).collect();
    network.manager.set_peers(network.now, &peers);
    assert_eq!(network.manager.peers().len(), PEERS_MAX);
    for _ in 0..2 * ABSENT_SCORES_MAX {
        network.manager.reward(&libp2p::PeerId::random());
    }
    assert!(network.manager.peers.absent_count() <= ABSENT_SCORES_MAX);
}

#[test]
fn providers_of_a_key_are_bounded() {
    let mut network = Network::new(&[live(5); 6]);
    network.records.insert(key(1), (100..150).map(network::provider).collect());
    let options = FindOptions { providers_max: 1_000, ..strict() };
    assert_eq!(network.ask(&[key(1)], options).answers[0].providers.len(), PROVIDERS_MAX);
}
