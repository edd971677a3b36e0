//! Queries: what is passed on, when they end, and which answers mean something.

use super::{server::*, *};
use crate::{Completion, FindOutcome, KEYS_PER_QUERY_MAX, KeyAnswer};

const OPTIONS: FindOptions = FindOptions {
    deadline: PATIENCE,
    completion: Completion::All,
    providers_max: 20,
    use_cache: false,
};

fn event(kind: u64, from: Option<u8>, named: &[u8]) -> String {
    let responses: Vec<_> = named
        .iter()
        .map(|number| {
            let address = format!("/ip4/127.0.0.1/tcp/400{number}");
            serde_json::json!({ "ID": peer(*number).to_string(), "Addrs": [address, "broken"] })
        })
        .collect();
    let from = from.map_or(String::new(), |number| peer(number).to_string());
    let event =
        serde_json::json!({ "Extra": "", "ID": from, "Type": kind, "Responses": responses });
    format!("{event}\n")
}

fn reply() -> String {
    event(1, Some(9), &[])
}

fn provider(named: &[u8]) -> String {
    event(4, None, named)
}

fn stream(events: &[String]) -> Reply {
    Reply::stream(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

fn begun(events: &[String]) -> Reply {
    Reply::begun(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

async fn connected(found: Reply) -> Server {
    Server::table([("swarm/peers", one_peer()), ("routing/findprovs", found)]).await
}

fn keys(count: usize) -> Vec<ContentId> {
    (0..count).map(|i| ContentId::of(&i.to_le_bytes())).collect()
}

async fn outcome(server: &Server, count: usize, options: FindOptions) -> FindOutcome {
    let node = kubo(&server.url);
    let query = node.find(keys(count), options).expect("a query is taken");
    query.outcome().await.expect("the node is alive")
}

/// The answer for one key.
async fn answer(server: &Server, options: FindOptions) -> KeyAnswer {
    outcome(server, 1, options).await.answers.remove(0)
}

fn providers(answer: &KeyAnswer) -> Vec<PeerId> {
    answer.providers.iter().map(|provider| provider.peer).collect()
}

#[tokio::test]
async fn providers_are_named_as_they_come() {
    let events = [
        event(0, Some(9), &[]),
        reply(),
        provider(&[1]),
        provider(&[2, 1]),
        event(3, Some(8), &[]),
    ];
    // The daemon goes on searching: what it has found so far must not wait for the end.
    let server = connected(begun(&events).then_hang()).await;
    let node = kubo(&server.url);
    let mut query = node.find(keys(1), OPTIONS).expect("a query is taken");
    for number in [1, 2] {
        let found = query.next().await.expect("a find");
        assert_eq!((found.index, found.provider.peer), (0, peer(number)));
        let address = format!("/ip4/127.0.0.1/tcp/400{number}");
        assert_eq!(found.provider.addresses, [address.parse().expect("an address")]);
    }
    drop(query);
    server.until_answering(0).await;

    let server = connected(stream(&events)).await;
    let answer = answer(&server, OPTIONS).await;
    assert_eq!(providers(&answer), [peer(1), peer(2)]);
    assert_eq!((answer.replies, answer.failures), (1, 1));
    assert!(answer.is_complete && !answer.is_cached);
    let key = keys(1)[0];
    let wanted = format!("routing/findprovs?arg={key}&num-providers=20");
    assert!(server.asked().contains(&wanted), "{:?}", server.asked());
}

#[tokio::test]
async fn a_miss_is_complete_if_somebody_was_asked() {
    let miss = answer(&connected(stream(&[reply()])).await, OPTIONS).await;
    assert_eq!(miss, KeyAnswer { replies: 1, is_complete: true, ..KeyAnswer::default() });
}

#[tokio::test]
async fn whatever_else_is_empty_is_incomplete() {
    let check = async |server: Server, why: &str| {
        let answer = answer(&server, OPTIONS).await;
        assert_eq!(answer.providers, [], "{why}");
        assert!(!answer.is_complete, "{why}");
    };
    check(connected(stream(&[])).await, "nobody has replied").await;
    check(connected(begun(&[reply()]).then_reset()).await, "dies between two lines").await;
    check(connected(begun(&[reply(), "{\"ID\":".into()]).then_reset()).await, "in a line").await;
    check(connected(stream(&[reply(), "{\"ID\":".into()])).await, "half a line").await;
    check(connected(stream(&[reply(), event(3, None, &[])])).await, "the look-up failed").await;
    check(connected(Reply::failed_stream(&[&reply()], "closing")).await, "trailer").await;
    check(connected(Reply::refusal("routing: not found")).await, "refusal").await;
    check(connected(Reply::ok("<html>")).await, "a page").await;
    check(connected(Reply::status("404 Not Found", "")).await, "no such call").await;
    let replies =
        [("swarm/peers", Reply::ok(r#"{"Peers":[]}"#)), ("routing/findprovs", stream(&[reply()]))];
    check(Server::table(replies).await, "no peers").await;
    let replies = [("routing/findprovs", stream(&[reply()]))];
    check(Server::table(replies).await, "not known whether there are peers").await;
}

#[tokio::test]
async fn a_dead_daemon_gives_an_incomplete_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let node = kubo(&url);
    let query = node.find(keys(40), OPTIONS).expect("a query is taken");
    let outcome = query.outcome().await.expect("the node is alive");
    assert_eq!(outcome.answers, vec![KeyAnswer::default(); 40]);
}

#[tokio::test]
async fn an_old_daemon_is_asked_in_its_own_words_and_remembered() {
    let replies =
        [("swarm/peers", one_peer()), ("dht/findprovs", stream(&[reply(), provider(&[1])]))];
    let server = Server::table(replies).await;
    let node = kubo(&server.url);
    for _ in 0..2 {
        let query = node.find(keys(1), OPTIONS).expect("a query is taken");
        let outcome = query.outcome().await.expect("the node is alive");
        assert_eq!(providers(&outcome.answers[0]), [peer(1)]);
        assert!(outcome.is_complete());
    }
    let asked = server.asked();
    assert_eq!(asked.iter().filter(|asked| asked.starts_with("routing/")).count(), 1);
}

#[tokio::test]
async fn enough_providers_end_the_daemons_search() {
    let server = connected(begun(&[provider(&[1, 2, 3])]).then_hang()).await;
    let answer = answer(&server, FindOptions { providers_max: 2, ..OPTIONS }).await;
    assert_eq!(providers(&answer), [peer(1), peer(2)]);
    assert!(answer.is_complete);
    server.until_answering(0).await;
}

#[tokio::test]
async fn at_the_deadline_the_rest_is_incomplete() {
    let slow = keys(3)[1].to_string();
    let server = Server::start(move |asked| match asked {
        "swarm/peers" => one_peer(),
        asked if asked.contains(&slow) => begun(&[reply(), provider(&[1])]).then_hang(),
        _ => stream(&[reply()]),
    })
    .await;
    let outcome = outcome(&server, 3, FindOptions { deadline: SHORT, ..OPTIONS }).await;
    let complete: Vec<bool> = outcome.answers.iter().map(|answer| answer.is_complete).collect();
    assert_eq!(complete, [true, false, true]);
    assert_eq!(providers(&outcome.answers[1]), [peer(1)], "what came is there");
    assert!(outcome.elapsed >= SHORT);
}

#[tokio::test]
async fn a_share_of_the_keys_is_enough_if_so_wanted() {
    let slow = keys(4)[3].to_string();
    let server = Server::start(move |asked| match asked {
        "swarm/peers" => one_peer(),
        asked if asked.contains(&slow) => begun(&[]).then_hang(),
        _ => stream(&[reply()]),
    })
    .await;
    let share = FindOptions { completion: Completion::Share(75), ..OPTIONS };
    let outcome = outcome(&server, 4, share).await;
    let complete: Vec<bool> = outcome.answers.iter().map(|answer| answer.is_complete).collect();
    assert_eq!(complete, [true, true, true, false]);
}

#[tokio::test]
async fn a_dropped_query_closes_its_connections() {
    let server = connected(begun(&[reply()]).then_hang()).await;
    let node = kubo(&server.url);
    let query = node.find(keys(100), OPTIONS).expect("a query is taken");
    // Three quarters of 16.
    server.until_answering(12).await;
    drop(query);
    server.until_answering(0).await;
    assert_eq!(server.answering_most(), 12);
}

#[tokio::test]
async fn look_ups_leave_room_for_other_calls() {
    let hello = content(b"hello");
    let replies = [
        ("swarm/peers", one_peer()),
        ("routing/findprovs", begun(&[]).then_hang()),
        ("block/get", Reply::ok(hello.bytes())),
    ];
    let server = Server::table(replies).await;
    let node = kubo(&server.url);
    let query = node.find(keys(100), OPTIONS).expect("a query is taken");
    server.until_answering(12).await;
    assert_eq!(node.get_local(hello.id()).await, Ok(Some(hello)));
    drop(query);
}

#[tokio::test]
async fn too_many_keys_or_queries_are_refused() {
    let server = connected(begun(&[]).then_hang()).await;
    let node = kubo(&server.url);
    let count = KEYS_PER_QUERY_MAX + 1;
    assert_eq!(node.find(keys(count), OPTIONS).err(), Some(IpfsError::TooManyKeys { count }));
    let mut queries: Vec<Query> =
        (0..QUERIES_MAX).map(|_| node.find(keys(1), OPTIONS).expect("there is room")).collect();
    let busy = IpfsError::Busy { count: QUERIES_MAX };
    assert_eq!(node.find(keys(1), OPTIONS).err(), Some(busy));
    drop(queries.pop());
    let again = async {
        while node.find(keys(1), OPTIONS).is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("a dropped query makes room");
}

#[tokio::test]
async fn a_query_about_nothing_ends_at_once() {
    let server = connected(begun(&[]).then_hang()).await;
    let outcome = outcome(&server, 0, OPTIONS).await;
    assert_eq!(outcome.answers, []);
}

#[tokio::test]
async fn dropping_the_node_stops_its_queries() {
    let server = connected(begun(&[]).then_hang()).await;
    let node = kubo(&server.url);
    let query = node.find(keys(1), OPTIONS).expect("a query is taken");
    drop(node);
    assert_eq!(query.outcome().await, Err(IpfsError::Stopped));
}
