//! put, get, stat and add: what is believed, and what is not.

use super::{server::*, *};
use crate::{BLOCK_BYTES_MAX, Codec};

const OFFLINE: &str = "block was not found locally (offline): ipld: could not find bafkreibm";

fn key(id: ContentId, size: usize) -> String {
    serde_json::json!({ "Key": id.to_string(), "Size": size }).to_string()
}

#[tokio::test]
async fn a_block_is_put_under_its_codec() {
    let raw = content(b"hello");
    let node = Content::of_codec(Codec::DagPb, *b"\x0a\x02\x08\x01").expect("short content");
    for (content, codec) in [(raw, "raw"), (node, "dag-pb")] {
        let server = Server::table([("block/put", Reply::ok(key(content.id(), 5)))]).await;
        assert_eq!(kubo(&server.url).put(content.clone()).await, Ok(()));
        let wanted = format!("block/put?cid-codec={codec}&mhtype=sha2-256&pin=false");
        assert_eq!(server.asked(), [wanted]);
        let body = String::from_utf8_lossy(&server.bodies()[0]).into_owned();
        assert!(body.contains("Content-Type: application/octet-stream"), "{body}");
        assert!(body.contains("name=\"data\""), "{body}");
        assert!(body.contains(&*String::from_utf8_lossy(content.bytes())), "{body}");
    }
}

#[tokio::test]
async fn a_put_that_returns_another_id_is_corrupt() {
    let id = ContentId::of(b"hello");
    let server = Server::table([("block/put", Reply::ok(key(ContentId::of(b"hellp"), 5)))]).await;
    assert_eq!(kubo(&server.url).put(content(b"hello")).await, Err(IpfsError::Corrupt { id }));
    let server = Server::table([("block/put", Reply::ok(r#"{"Key":"no","Size":5}"#))]).await;
    let nonsense = Err(IpfsError::Nonsense { call: "block/put" });
    assert_eq!(kubo(&server.url).put(content(b"hello")).await, nonsense);
}

#[tokio::test]
async fn an_id_in_another_base_is_understood() {
    let id = ContentId::of(b"hello");
    let base58 = cid::Cid::from(id).to_string_of_base(cid::multibase::Base::Base58Btc);
    let body = serde_json::json!({ "Key": base58.expect("a CIDv1"), "Size": 5 }).to_string();
    let server = Server::table([("block/put", Reply::ok(body))]).await;
    assert_eq!(kubo(&server.url).put(content(b"hello")).await, Ok(()));
}

#[tokio::test]
async fn what_is_got_is_hashed_here() {
    let hello = content(b"hello");
    let id = hello.id();
    let server = Server::table([("block/get", Reply::ok(b"hello"))]).await;
    let node = kubo(&server.url);
    assert_eq!(node.get_local(id).await, Ok(Some(hello.clone())));
    assert_eq!(node.get(id, Duration::from_secs(10)).await, Ok(Some(hello)));
    let offline = format!("block/get?arg={id}&offline=true");
    assert_eq!(server.asked(), [offline, format!("block/get?arg={id}&timeout=9500ms")]);

    let server = Server::table([("block/get", Reply::ok(b"hellp"))]).await;
    let node = kubo(&server.url);
    assert_eq!(node.get_local(id).await, Err(IpfsError::Corrupt { id }));
    assert_eq!(node.get(id, PATIENCE).await, Err(IpfsError::Corrupt { id }));
}

#[tokio::test]
async fn not_held_and_not_found_are_no_errors() {
    let id = ContentId::of(b"hello");
    let refusals =
        [("block/get", Reply::refusal(OFFLINE)), ("block/stat", Reply::refusal(OFFLINE))];
    let server = Server::table(refusals).await;
    let node = kubo(&server.url);
    assert_eq!(node.get_local(id).await, Ok(None));
    assert_eq!(node.stat(id).await, Ok(None));
    assert_eq!(node.get(id, PATIENCE).await, Ok(None));
    let over = Reply::refusal("context deadline exceeded");
    let server = Server::table([("block/get", over.clone()), ("block/stat", over)]).await;
    let node = kubo(&server.url);
    assert_eq!(node.get(id, PATIENCE).await, Ok(None), "the search has ended");
    assert!(matches!(node.stat(id).await, Err(IpfsError::Refused { .. })), "no word about it");
    assert!(matches!(node.get_local(id).await, Err(IpfsError::Refused { .. })));
}

#[tokio::test]
async fn a_daemon_that_overruns_the_deadline_says_nothing_about_the_content() {
    let server = Server::start(|_| Reply::bare("").then_hang()).await;
    let id = ContentId::of(b"hello");
    let result = kubo(&server.url).get(id, SHORT).await;
    assert_eq!(result, Err(IpfsError::Timeout { after_ms: 200 }));
    server.until_answering(0).await;
}

#[tokio::test]
async fn a_block_over_the_limit_is_refused() {
    let most = content(&vec![7; BLOCK_BYTES_MAX]);
    let server = Server::table([("block/get", Reply::ok(most.bytes()))]).await;
    assert_eq!(kubo(&server.url).get_local(most.id()).await, Ok(Some(most)));
    let bytes = vec![7; BLOCK_BYTES_MAX + 1];
    let server = Server::table([("block/get", Reply::ok(&bytes))]).await;
    let nonsense = Err(IpfsError::Nonsense { call: "block/get" });
    assert_eq!(kubo(&server.url).get_local(ContentId::of(&bytes)).await, nonsense);
    // No length announced, and no end in sight.
    let piece = "x".repeat(BLOCK_BYTES_MAX);
    let server = Server::table([("block/get", Reply::begun(&[&piece, &piece]).then_hang())]).await;
    assert_eq!(kubo(&server.url).get_local(ContentId::of(&bytes)).await, nonsense);
}

#[tokio::test]
async fn a_block_that_is_cut_is_not_kept() {
    let id = ContentId::of(b"hello");
    let server = Server::table([("block/get", Reply::begun(&["hello"]).then_reset())]).await;
    let result = kubo(&server.url).get_local(id).await;
    assert!(matches!(result, Err(IpfsError::Unreachable { .. })), "{result:?}");
    let without_end = Reply::bare("HTTP/1.1 200 OK\r\n\r\nhello");
    let server = Server::table([("block/get", without_end)]).await;
    let result = kubo(&server.url).get_local(id).await;
    assert_eq!(result, Err(IpfsError::Nonsense { call: "block/get" }));
}

#[tokio::test]
async fn a_stat_gives_the_size() {
    let id = ContentId::of(b"hello");
    let server = Server::table([("block/stat", Reply::ok(key(id, 5)))]).await;
    assert_eq!(kubo(&server.url).stat(id).await, Ok(Some(BlockStat { bytes: 5 })));
    assert_eq!(server.asked(), [format!("block/stat?arg={id}&offline=true")]);
}

#[tokio::test]
async fn a_file_is_added_and_its_id_compared() {
    let added = |id: ContentId| {
        Reply::stream(&[&format!(
            "{}\n",
            serde_json::json!({ "Name": "data", "Hash": id.to_string(), "Size": "5" })
        )])
    };
    let check = async |bytes: Vec<u8>, answered: Reply, wanted| {
        let server = Server::table([("add", answered)]).await;
        assert_eq!(kubo(&server.url).add(bytes.into(), PATIENCE).await, wanted);
    };
    let id = ContentId::of(b"hello");
    let root = ContentId::of_codec(Codec::DagPb, b"root");
    let long = vec![7; CHUNK_BYTES + 1];
    check(b"hello".to_vec(), added(id), Ok(id)).await;
    check(b"hello".to_vec(), added(root), Err(IpfsError::Corrupt { id })).await;
    check(long.clone(), added(root), Ok(root)).await;
    check(long.clone(), added(id), Err(IpfsError::Nonsense { call: "add" })).await;
    check(long.clone(), Reply::stream(&[]), Err(IpfsError::Nonsense { call: "add" })).await;
    let line = format!("{{\"Hash\":\"{root}\"}}\n");
    let full = IpfsError::Refused { status: 200, message: "no space left".into() };
    check(long, Reply::failed_stream(&[&line], "no space left"), Err(full)).await;
}
