//! Pins, and how Kubo answers about those that it does not have.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use super::{server::*, *};
use crate::{
    Codec,
    kubo::pins::{ARGUMENTS_MAX, ASKED_SINGLY_MAX},
};

/// The pin part of a daemon; stops at the first argument that fails, as Kubo does.
struct Daemon {
    held: BTreeSet<String>,
    pinned: Mutex<BTreeSet<String>>,
}

impl Daemon {
    async fn start(held: &[ContentId], pinned: &[ContentId]) -> Server {
        let texts = |ids: &[ContentId]| ids.iter().map(ToString::to_string).collect();
        let daemon = Daemon { held: texts(held), pinned: Mutex::new(texts(pinned)) };
        Server::start(move |asked| daemon.answer(asked)).await
    }

    fn answer(&self, asked: &str) -> Reply {
        let (name, query) = asked.split_once('?').expect("every call here has a query");
        let arguments = query.split('&').filter_map(|pair| pair.strip_prefix("arg="));
        let mut pinned = self.pinned.lock();
        match name {
            "pin/ls" if arguments.clone().count() == 0 => {
                let line = |id: &String| format!("{{\"Cid\":\"{id}\",\"Type\":\"recursive\"}}\n");
                let lines: Vec<String> = pinned.iter().map(line).collect();
                return Reply::stream(&lines.iter().map(String::as_str).collect::<Vec<_>>());
            }
            "block/stat" => {
                let id = arguments.clone().next().expect("one argument");
                return match self.held.contains(id) {
                    true => Reply::ok(format!("{{\"Key\":\"{id}\",\"Size\":1}}")),
                    false => Reply::refusal("block was not found locally (offline): ipld: …"),
                };
            }
            _ => {}
        }
        for id in arguments.clone().map(String::from) {
            match name {
                // This one links to something that is not here.
                "pin/add" if id == broken().to_string() => {
                    let missing = ContentId::of(b"missing");
                    return Reply::refusal(&format!("pin: ipld: could not find {missing}"));
                }
                "pin/add" => drop(pinned.insert(id)),
                "pin/rm" if !pinned.remove(&id) => {
                    return Reply::refusal("not pinned or pinned indirectly");
                }
                "pin/ls" if !pinned.contains(&id) => {
                    return Reply::refusal(&format!("path '/ipfs/{id}' is not pinned"));
                }
                "pin/rm" | "pin/ls" => {}
                other => panic!("{other} is not part of this"),
            }
        }
        let id = arguments.clone().next().expect("an argument");
        Reply::ok(format!("{{\"Pins\":[],\"Keys\":{{\"{id}\":{{\"Type\":\"recursive\"}}}}}}"))
    }
}

fn broken() -> ContentId {
    ContentId::of_codec(Codec::DagPb, b"broken")
}

fn ids(count: usize) -> Vec<ContentId> {
    (0..count).map(|i| ContentId::of(&i.to_le_bytes())).collect()
}

#[tokio::test]
async fn pins_are_made_and_taken_away_in_chunks() {
    let ids = ids(ARGUMENTS_MAX + 1);
    let server = Daemon::start(&ids, &[]).await;
    let node = kubo(&server.url);
    let count = |name: &str| server.asked().iter().filter(|asked| asked.starts_with(name)).count();
    assert_eq!(node.pin(ids.clone()).await, Ok(()));
    assert_eq!((count("block/stat"), count("pin/add")), (ARGUMENTS_MAX + 1, 2));
    assert_eq!(node.are_pinned(ids.clone()).await, Ok(vec![true; ids.len()]));
    assert_eq!(count("pin/ls"), 1);
    assert_eq!(node.unpin(ids.clone()).await, Ok(()));
    assert_eq!(count("pin/rm"), 2);
    assert_eq!(node.are_pinned(ids.clone()).await, Ok(vec![false; ids.len()]));
    assert_eq!(node.pin(vec![]).await, Ok(()));
    assert_eq!(node.are_pinned(vec![]).await, Ok(vec![]));
}

#[tokio::test]
async fn the_first_that_is_not_held_is_named_and_none_is_pinned() {
    let ids = ids(5);
    let server = Daemon::start(&[ids[0], ids[1], ids[3]], &[]).await;
    let node = kubo(&server.url);
    assert_eq!(node.pin(ids.clone()).await, Err(IpfsError::NotHeld { id: ids[2] }));
    assert_eq!(node.are_pinned(ids).await, Ok(vec![false; 5]));
}

#[tokio::test]
async fn a_root_with_a_missing_leaf_leaves_no_pin_behind() {
    let [old, new] = [ContentId::of(b"old"), ContentId::of(b"new")];
    let server = Daemon::start(&[old, new, broken()], &[old]).await;
    let node = kubo(&server.url);
    let missing = IpfsError::NotHeld { id: ContentId::of(b"missing") };
    assert_eq!(node.pin(vec![old, new, broken()]).await, Err(missing));
    assert_eq!(node.are_pinned(vec![old, new, broken()]).await, Ok(vec![true, false, false]));
}

#[tokio::test]
async fn answers_come_in_order_few_and_many() {
    for count in [3, ASKED_SINGLY_MAX, ASKED_SINGLY_MAX + 1] {
        let ids = ids(count);
        let server = Daemon::start(&[], &[ids[2], ids[0], ContentId::of(b"other")]).await;
        let node = kubo(&server.url);
        let mut wanted = vec![false; count];
        (wanted[0], wanted[2]) = (true, true);
        assert_eq!(node.are_pinned(ids.clone()).await, Ok(wanted));
        let twice = vec![ids[1], ids[0], ids[0]];
        assert_eq!(node.are_pinned(twice).await, Ok(vec![false, true, true]));
    }
}

#[tokio::test]
async fn what_is_not_pinned_is_unpinned_without_an_error() {
    let ids = ids(3);
    let server = Daemon::start(&ids, &[ids[1]]).await;
    let node = kubo(&server.url);
    assert_eq!(node.unpin(ids.clone()).await, Ok(()));
    assert_eq!(node.unpin(ids.clone()).await, Ok(()));
    assert_eq!(node.are_pinned(ids).await, Ok(vec![false; 3]));
}

/// The list says that all are pinned, and then one no longer is.
#[tokio::test]
async fn a_pin_that_somebody_else_takes_away_meanwhile_is_no_error() {
    let ids = ids(3);
    let gone = ids[1].to_string();
    let server = Server::start(move |asked| {
        if asked.starts_with("pin/rm") && asked.contains(&gone) {
            return Reply::refusal("not pinned or pinned indirectly");
        }
        let id = asked.rsplit('=').next().expect("the last value is an id");
        Reply::ok(format!("{{\"Pins\":[],\"Keys\":{{\"{id}\":{{}}}}}}"))
    })
    .await;
    assert_eq!(kubo(&server.url).unpin(ids).await, Ok(()));
    let removals = server.asked().iter().filter(|asked| asked.starts_with("pin/rm")).count();
    assert_eq!(removals, 4, "all at once, then each alone");
}

#[tokio::test]
async fn a_list_that_fails_in_the_middle_is_no_list() {
    let ids = ids(ASKED_SINGLY_MAX + 1);
    let line = format!("{{\"Cid\":\"{}\",\"Type\":\"recursive\"}}\n", ids[0]);
    let failed = Reply::failed_stream(&[&line], "datastore closed");
    let server = Server::table([("pin/ls", failed)]).await;
    let result = kubo(&server.url).are_pinned(ids.clone()).await;
    let message = "datastore closed".into();
    assert_eq!(result, Err(IpfsError::Refused { status: 200, message }));
    let server = Server::table([("pin/ls", Reply::begun(&[&line]).then_reset())]).await;
    let result = kubo(&server.url).are_pinned(ids).await;
    assert!(matches!(result, Err(IpfsError::Unreachable { .. })), "{result:?}");
}
