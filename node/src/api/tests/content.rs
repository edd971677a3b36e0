//! Files over HTTP, between two whole nodes, and what the network behind them says of itself.

use super::raw;
use super::server::{Server, start, start_ipfs, wait};
use crate::api::limits::DISCARD_BYTES_MAX;
use crate::content::CONTENT_BYTES_MAX;

/// A CID that nobody has.
pub(super) const NOWHERE: &str = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

fn addresses(server: &Server) -> Vec<String> {
    let ipfs = server.handle.shared.ipfs.as_ref().expect("it is on");
    ipfs.addresses.iter().map(ToString::to_string).collect()
}

fn connected(server: &Server) -> usize {
    let dht = server.get("/v1/dht").json();
    dht["connected"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_file_that_is_put_at_one_node_streams_from_another() {
    let a = start_ipfs(&[]);
    let b = start_ipfs(&addresses(&a));
    wait("they are connected", || connected(&b) > 0);
    let file: Vec<u8> = (0..400_000u32).flat_map(u32::to_be_bytes).collect();
    let put = a.ask("PUT", "/v1/content", "", &file);
    assert_eq!(put.status, 200, "{}", String::from_utf8_lossy(&put.body));
    let put = put.json();
    assert_eq!((&put["schema"], &put["ok"]), (&"quorate.content/1".into(), &true.into()));
    assert_eq!((&put["bytes"], &put["blocks"]), (&1_600_000.into(), &8.into()));
    assert!(put["elapsed_us"].is_u64(), "{put}");
    let path = format!("/v1/content/{}", put["cid"].as_str().expect("a CID"));
    let before = b.get(&format!("{path}/stat")).json();
    assert_eq!((&before["bytes"], &before["complete"]), (&serde_json::Value::Null, &false.into()));
    let got = b.get(&path);
    assert_eq!(got.status, 200);
    assert!(got.head.contains("content-length: 1600000"), "{}", got.head);
    assert!(got.head.contains("application/octet-stream"), "{}", got.head);
    assert!(got.body == file);
    let known = b.get(&format!("{path}/stat")).json();
    assert_eq!((&known["complete"], &known["pinned"]), (&true.into(), &false.into()));
    let pinned = b.ask("POST", &format!("{path}/pin"), "", b"").json();
    assert_eq!((&pinned["pinned"], &pinned["bytes_fetched"]), (&true.into(), &0.into()));
    assert_eq!(b.get(&format!("{path}/stat")).json()["pinned"], true);
    let again = a.ask("PUT", "/v1/content", "", &file).json();
    assert_eq!(again["cid"], put["cid"], "the same bytes are the same file");
}

#[test]
fn what_nobody_has_is_a_problem_in_time() {
    let server = start_ipfs(&[]);
    let path = format!("/v1/content/{NOWHERE}");
    for (method, path) in [("GET", format!("{path}?wait=200ms")), ("POST", format!("{path}/pin"))] {
        let path = if method == "POST" { format!("{path}?wait=200ms") } else { path };
        let problem = server.ask(method, &path, "", b"").is_problem(404, "content_not_found");
        assert_eq!((&problem["exit"], &problem["retryable"]), (&2.into(), &true.into()));
        assert_eq!(problem["details"]["cid"], NOWHERE);
    }
    assert_eq!(server.get(&format!("{path}/stat")).json()["blocks_held"], 0);
    for bad in ["QmUuygbKNrQmVTWGEPuYtwVCYtZiCY8z3FqGcUsKFCcc4T", "abc", "%FF"] {
        server.get(&format!("/v1/content/{bad}")).is_problem(400, "usage");
    }
    server.get(&format!("{path}?deep=1")).is_problem(400, "usage");
}

#[test]
fn a_file_that_is_too_large_or_cut_off_is_refused() {
    let server = start_ipfs(&[]);
    let declared = CONTENT_BYTES_MAX + 1;
    let head = format!(
        "PUT /v1/content HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-length: {declared}\r\n\r\n"
    );
    let request = [head.into_bytes(), vec![0; DISCARD_BYTES_MAX]].concat();
    raw(server.address(), &request).is_problem(413, "too_large");
    let chunked = "PUT /v1/content HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                   transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n";
    raw(server.address(), chunked.as_bytes()).is_problem(400, "malformed");
}

#[test]
fn a_node_without_ipfs_says_so() {
    let server = start(1);
    for path in
        ["/v1/dht", "/v1/content/bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"]
    {
        server.get(path).is_problem(500, "config");
    }
    server.ask("PUT", "/v1/content", "", b"x").is_problem(500, "config");
}

#[test]
fn the_network_behind_it_tells_its_figures() {
    let a = start_ipfs(&[]);
    let b = start_ipfs(&addresses(&a));
    wait("they are connected", || connected(&b) > 0);
    let dht = b.get("/v1/dht").json();
    assert_eq!(dht["schema"], "quorate.dht/1");
    for field in ["peer", "addresses", "table", "batch_peers", "queries", "scores", "records"] {
        assert!(!dht[field].is_null(), "{field} in {dht}");
    }
    for field in ["p50_us", "p95_us", "p99_us", "queries"] {
        assert!(dht["queries"][field].is_u64(), "{field} in {dht}");
    }
    assert!(dht["success_rate"].is_f64() && dht["bitswap"]["blocks_sent"].is_u64(), "{dht}");
    assert_eq!(dht["content"]["bytes_max"], 1 << 30);
    let metrics = b.get("/metrics");
    let text = String::from_utf8_lossy(&metrics.body);
    assert!(text.contains("\nquorate_dht_connected_peers 1\n"), "{text}");
    assert!(text.contains("\nquorate_dht_queries_total "), "{text}");
    let peer = dht["connected"][0].as_str().expect("a peer");
    assert!(!text.contains(peer), "no label has a value per peer");
}
