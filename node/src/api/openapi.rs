//! `GET /openapi.json`: the routes, by hand. The documents' fields stand in the book.

use super::{Answered, answer};
use serde_json::{Map, Value, json};

/// Method, path, what it is for, parameters of its query.
pub(super) const ROUTES: &[(&str, &str, &str, &[&str])] = &[
    ("get", "/", "The explorer: a page for people", &[]),
    ("get", "/explorer/{file}", "The explorer's scripts and styles", &[]),
    ("get", "/openapi.json", "This document", &[]),
    ("get", "/metrics", "Counters and timings, OpenMetrics text", &[]),
    ("get", "/v1/health/live", "Whether the process answers", &[]),
    ("get", "/v1/health/ready", "Whether it votes and reaches a quorum; 503 when not", &[]),
    ("get", "/v1/node", "This node", &[]),
    ("get", "/v1/network", "The genesis: id, committee, quorum, assets", &[]),
    ("get", "/v1/validators", "The committee as this node sees it", &[]),
    ("get", "/v1/supply", "Issued and live supply of each asset", &["after", "limit"]),
    ("post", "/v1/transfers", "Send one signed transfer", &["wait"]),
    ("post", "/v1/transfers/batch", "Send up to 4,096 signed transfers", &["wait"]),
    ("get", "/v1/transfers/{id}", "What became of a transfer", &["wait"]),
    ("post", "/v1/recoveries", "Ask for a round above 0 for an owner's states", &[]),
    ("post", "/v1/recoveries/entries", "Propose transfers in rounds above 0", &["wait"]),
    ("get", "/v1/receipts/{id}", "The proof that a transfer is final", &[]),
    ("post", "/v1/receipts/fetch", "Receipts of up to 1,024 transfers, canonical bytes", &[]),
    ("get", "/v1/inbox/{did}", "What was delivered to an address", &["after", "limit"]),
    ("get", "/v1/inbox/{did}/stream", "Server-sent events: open, delivery, gap", &["did"]),
    ("post", "/v1/inbox/stream", "The same for up to 1,024 addresses in the body", &[]),
    ("get", "/v1/batches", "The applied log", &["after", "limit"]),
    ("get", "/v1/batches/{id}", "One batch with its Commit votes", &[]),
    ("get", "/v1/evidence", "Proofs that keys misbehaved", &["after", "limit"]),
    ("get", "/v1/accounts/{did}", "Balances of an account", &[]),
    ("get", "/v1/accounts/{did}/tokens", "Tokens of an account", &["after", "limit"]),
    ("get", "/v1/tokens/{id}", "Where a token stands", &[]),
    ("get", "/v1/tokens/{id}/history", "A token's chain, newest first", &["after", "limit"]),
    ("put", "/v1/content", "Store a file, keep and announce it", &[]),
    ("get", "/v1/content/{cid}", "A file's bytes, from wherever it is to be had", &["wait"]),
    ("get", "/v1/content/{cid}/stat", "How much of a file is here", &[]),
    ("post", "/v1/content/{cid}/pin", "Fetch a file and keep it", &["wait"]),
    ("get", "/v1/dht", "The embedded IPFS node: peers, queries, records, blocks", &[]),
    ("get", "/v1/events", "Server-sent events: batch, transfer, validator, gap", &[]),
];

/// The document.
pub(super) async fn document() -> Answered {
    let mut paths = Map::new();
    for (method, path, summary, query) in ROUTES {
        let text = json!({"type": "string"});
        let mut parameters: Vec<Value> = Vec::new();
        for part in path.split('/').filter_map(|part| part.strip_prefix('{')) {
            let name = part.trim_end_matches('}');
            parameters.push(json!({"name": name, "in": "path", "required": true, "schema": text}));
        }
        for name in *query {
            parameters.push(json!({"name": name, "in": "query", "schema": text}));
        }
        let mut operation = json!({
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "2XX": {"description": "The document"},
                "default": {
                    "description": "A problem document (RFC 9457); `code` is the slug",
                    "content": {"application/problem+json": {"schema": {"type": "object"}}},
                },
            },
        });
        if matches!(*method, "post" | "put") {
            let binary = json!({"schema": {"type": "string", "format": "binary"}});
            operation["requestBody"] = json!({"content": {"application/octet-stream": binary}});
        }
        let operations = paths.entry(*path).or_insert_with(|| json!({}));
        operations[*method] = operation;
    }
    Ok(answer::ok(&json!({
        "openapi": "3.1.0",
        "info": {"title": "Quorate node", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_has_every_route() {
        let book = include_str!("../../book/src/http-api.md");
        for (_, path, ..) in ROUTES {
            assert!(book.contains(&format!("`{path}`")), "{path}");
        }
    }
}
