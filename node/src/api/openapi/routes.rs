//! Every route of a node, in the order in which a reader looks for it. This is the only list: the
//! router is made of it, and so is `/openapi.json`.

use super::route::{Body, Content, Query, Route};
use super::schemas::of;
use crate::api::limits::{
    BATCH_BODY_BYTES_MAX, BATCHES_PAGE, EVIDENCE_PAGE, HISTORY_PAGE, SUPPLY_PAGE, TOKENS_PAGE,
    TRANSFER_BODY_BYTES_MAX,
};
use crate::api::{
    accounts, content, events, explorer, inbox, ledger_log, recoveries, status, transfers,
};
use crate::inbox::{FETCH_MAX, HOSTED_MAX, INBOX_PAGE};
use crate::view::{
    BalanceDocument, BatchDocument, BatchesDocument, ContentDocument, DhtDocument,
    EvidenceDocument, HealthDocument, HistoryDocument, InboxDocument, NetworkDocument,
    NodeDocument, OutcomesDocument, ReceiptDocument, RecoveriesDocument, SupplyDocument,
    TokenDocument, TokensDocument, TransferDocument, ValidatorsDocument,
};
use Content::{Bytes, Json, Object, Text};
use Query::{AfterId, AfterPosition, Did, Limit, Wait};
use axum::routing::{get, post, put};

/// Every route.
pub(in crate::api) const ROUTES: &[Route] = &[
    Route {
        summary: "The explorer: a page for people",
        answers: &[(200, &[Text("text/html; charset=utf-8")]), NOT_MODIFIED],
        ..Route::new("get", "/", || get(explorer::page))
    },
    Route {
        summary: "The explorer's scripts and styles",
        answers: &[
            (
                200,
                &[
                    Text("text/css; charset=utf-8"),
                    Text("text/javascript; charset=utf-8"),
                    Text("text/plain; charset=utf-8"),
                    Text("image/svg+xml"),
                ],
            ),
            NOT_MODIFIED,
        ],
        problems: &[400, 404],
        ..Route::new("get", "/explorer/{file}", || get(explorer::file))
    },
    Route {
        summary: "This document",
        answers: &[(200, &[Object])],
        ..Route::new("get", "/openapi.json", || get(super::document))
    },
    Route {
        summary: "Counters and timings, OpenMetrics text",
        answers: &[(200, &[Text(status::METRICS_TYPE)])],
        ..Route::new("get", "/metrics", || get(status::metrics))
    },
    Route {
        summary: "Whether the process answers",
        answers: &[(200, &[Json(of::<HealthDocument>)])],
        ..Route::new("get", "/v1/health/live", || get(status::live))
    },
    Route {
        summary: "Whether it votes and reaches a quorum; 503 when not",
        answers: &[(200, &[Json(of::<HealthDocument>)]), (503, &[Json(of::<HealthDocument>)])],
        ..Route::new("get", "/v1/health/ready", || get(status::ready))
    },
    Route {
        summary: "This node",
        answers: &[(200, &[Json(of::<NodeDocument>)])],
        problems: &[400],
        ..Route::new("get", "/v1/node", || get(status::node))
    },
    Route {
        summary: "The genesis: id, committee, quorum, assets",
        answers: &[(200, &[Json(of::<NetworkDocument>)])],
        problems: &[400],
        ..Route::new("get", "/v1/network", || get(status::network))
    },
    Route {
        summary: "The committee as this node sees it",
        answers: &[(200, &[Json(of::<ValidatorsDocument>)])],
        problems: &[400],
        ..Route::new("get", "/v1/validators", || get(status::validators))
    },
    Route {
        summary: "Issued and live supply of each asset",
        query: &[AfterId, Limit(SUPPLY_PAGE)],
        answers: &[(200, &[Json(of::<SupplyDocument>)])],
        problems: &[400, 500],
        ..Route::new("get", "/v1/supply", || get(status::supply))
    },
    Route {
        summary: "Send one signed transfer",
        query: &[Wait(AT_ONCE)],
        body: Some(Body::Transfer),
        answers: &[(200, &[Json(of::<TransferDocument>)]), (202, &[Json(of::<TransferDocument>)])],
        problems: &[400, 409, 413, 422, 503],
        ..Route::new("post", "/v1/transfers", || post(transfers::submit))
    },
    Route {
        summary: "Send up to 4,096 signed transfers",
        query: &[Wait(AT_ONCE)],
        body: Some(Body::Bytes(FRAMED_TRANSFERS, BATCH_BODY_BYTES_MAX)),
        answers: OUTCOMES,
        problems: &[400, 413, 500, 503],
        ..Route::new("post", "/v1/transfers/batch", || post(transfers::submit_batch))
    },
    Route {
        summary: "What became of a transfer",
        query: &[Wait(AT_ONCE)],
        answers: &[(200, &[Json(of::<TransferDocument>)])],
        problems: &[400, 404, 500, 503],
        ..Route::new("get", "/v1/transfers/{id}", || get(transfers::transfer))
    },
    Route {
        summary: "Ask for a round above 0 for an owner's states",
        body: Some(Body::Bytes(RECOVERS, TRANSFER_BODY_BYTES_MAX)),
        answers: &[(200, &[Json(of::<RecoveriesDocument>)])],
        problems: &[400, 413, 422, 500, 503],
        ..Route::new("post", "/v1/recoveries", || post(recoveries::recover))
    },
    Route {
        summary: "Propose transfers in rounds above 0",
        query: &[Wait(AT_ONCE)],
        body: Some(Body::Bytes(FRAMED_ENTRIES, BATCH_BODY_BYTES_MAX)),
        answers: OUTCOMES,
        problems: &[400, 413, 422, 500, 503],
        ..Route::new("post", "/v1/recoveries/entries", || post(recoveries::propose))
    },
    Route {
        summary: "The proof that a transfer is final",
        answers: &[(200, &[Bytes, Json(of::<ReceiptDocument>)])],
        problems: &[400, 404, 500, 503],
        ..Route::new("get", "/v1/receipts/{id}", || get(transfers::receipt))
    },
    Route {
        summary: "Receipts of up to 1,024 transfers, canonical bytes",
        body: Some(Body::Bytes(TRANSFER_IDS, 4 + 32 * FETCH_MAX)),
        answers: &[(200, &[Bytes])],
        problems: &[400, 413, 500, 503],
        ..Route::new("post", "/v1/receipts/fetch", || post(inbox::fetch))
    },
    Route {
        summary: "What was delivered to an address",
        query: &[AfterId, Limit(INBOX_PAGE)],
        answers: &[(200, &[Json(of::<InboxDocument>), Bytes])],
        problems: &[400, 500],
        ..Route::new("get", "/v1/inbox/{did}", || get(inbox::page))
    },
    Route {
        summary: "Server-sent events: open, delivery, gap",
        query: &[Did],
        answers: EVENTS,
        problems: &[400],
        ..Route::new("get", "/v1/inbox/{did}/stream", || get(inbox::stream))
    },
    Route {
        summary: "The same for up to 1,024 addresses in the body",
        body: Some(Body::Bytes(ADDRESSES, 4 + 32 * HOSTED_MAX)),
        answers: EVENTS,
        problems: &[400, 413],
        ..Route::new("post", "/v1/inbox/stream", || post(inbox::stream_of_many))
    },
    Route {
        summary: "The applied log",
        query: &[AfterPosition, Limit(BATCHES_PAGE)],
        answers: &[(200, &[Json(of::<BatchesDocument>)])],
        problems: &[400, 500, 503],
        ..Route::new("get", "/v1/batches", || get(ledger_log::batches))
    },
    Route {
        summary: "One batch with its Commit votes",
        answers: &[(200, &[Json(of::<BatchDocument>)])],
        problems: &[400, 404, 500, 503],
        ..Route::new("get", "/v1/batches/{id}", || get(ledger_log::batch))
    },
    Route {
        summary: "Proofs that keys misbehaved",
        query: &[AfterPosition, Limit(EVIDENCE_PAGE)],
        answers: &[(200, &[Json(of::<EvidenceDocument>)])],
        problems: &[400, 500],
        ..Route::new("get", "/v1/evidence", || get(ledger_log::evidence))
    },
    Route {
        summary: "Balances of an account",
        answers: &[(200, &[Json(of::<BalanceDocument>)])],
        problems: &[400, 500],
        ..Route::new("get", "/v1/accounts/{did}", || get(accounts::balance))
    },
    Route {
        summary: "Tokens of an account",
        query: &[AfterId, Limit(TOKENS_PAGE)],
        answers: &[(200, &[Json(of::<TokensDocument>)])],
        problems: &[400, 500],
        ..Route::new("get", "/v1/accounts/{did}/tokens", || get(accounts::tokens))
    },
    Route {
        summary: "Where a token stands",
        answers: &[(200, &[Json(of::<TokenDocument>)])],
        problems: &[400, 404],
        ..Route::new("get", "/v1/tokens/{id}", || get(accounts::token))
    },
    Route {
        summary: "A token's chain, newest first",
        query: &[AfterId, Limit(HISTORY_PAGE)],
        answers: &[(200, &[Json(of::<HistoryDocument>)])],
        problems: &[400, 404, 500, 503],
        ..Route::new("get", "/v1/tokens/{id}/history", || get(accounts::history))
    },
    Route {
        summary: "Store a file, keep and announce it",
        body: Some(Body::File),
        answers: &[(200, &[Json(of::<ContentDocument>)])],
        problems: &[400, 413, 500, 502, 503, 507],
        ..Route::new("put", "/v1/content", || put(content::put))
    },
    Route {
        summary: "A file's bytes, from wherever it is to be had",
        query: &[Wait(TEN_SECONDS)],
        answers: &[(200, &[Bytes])],
        problems: &[400, 404, 422, 500, 502, 503, 507],
        ..Route::new("get", "/v1/content/{cid}", || get(content::get))
    },
    Route {
        summary: "How much of a file is here",
        answers: &[(200, &[Json(of::<ContentDocument>)])],
        problems: &[400, 404, 422, 500, 502, 503],
        ..Route::new("get", "/v1/content/{cid}/stat", || get(content::stat))
    },
    Route {
        summary: "Fetch a file and keep it",
        query: &[Wait(TEN_SECONDS)],
        answers: &[(200, &[Json(of::<ContentDocument>)])],
        problems: &[400, 404, 422, 500, 502, 503, 507],
        ..Route::new("post", "/v1/content/{cid}/pin", || post(content::pin))
    },
    Route {
        summary: "The embedded IPFS node: peers, queries, records, blocks",
        answers: &[(200, &[Json(of::<DhtDocument>)])],
        problems: &[400, 500],
        ..Route::new("get", "/v1/dht", || get(content::dht))
    },
    Route {
        summary: "Server-sent events: batch, transfer, validator, gap",
        answers: EVENTS,
        problems: &[400],
        ..Route::new("get", "/v1/events", || get(events::stream))
    },
];

/// What the browser has already.
const NOT_MODIFIED: (u16, &[Content]) = (304, &[]);
const EVENTS: &[(u16, &[Content])] = &[(200, &[Text("text/event-stream")])];
/// Once they have ended, or once they are taken.
const OUTCOMES: &[(u16, &[Content])] =
    &[(200, &[Json(of::<OutcomesDocument>)]), (202, &[Json(of::<OutcomesDocument>)])];

const AT_ONCE: &str = "without it the answer comes at once";
const TEN_SECONDS: &str = "10s without it";

const FRAMED_TRANSFERS: &str = "A count, then each signed transfer behind its length: u32 \
                                little-endian";
const FRAMED_ENTRIES: &str = "A count, then each entry behind its length: u32 little-endian";
const RECOVERS: &str = "A canonical list of signed Recovers";
const TRANSFER_IDS: &str = "A canonical list of transfer ids: a count, u32 little-endian, then 32 \
                            bytes each";
const ADDRESSES: &str = "A canonical list of addresses: a count, u32 little-endian, then 32 bytes \
                         each";
