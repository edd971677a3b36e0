//! The inbox: what was delivered to an address (pages of its live tokens), the receipts that prove
//! it, many at once, and a stream of what comes. For wallet nodes; anybody may ask.
//!
//! A stream is server-sent events: `open` once (from then on nothing is missed), `delivery`
//! (`{"schema":"quorate.delivery/1","ok":true,"id":HEX,"sequence":N}`), `gap` (drain again). It
//! reads from the deliveries that are kept, at its reader's pace.

use super::answer::{bytes, held, held_document};
use super::body::{self, malformed};
use super::events::{EventBody, KEEP_ALIVE, Writer, is_quiet};
use super::input::{In, Pairs, Params};
use super::limits::{EVENTS_AT_ONCE_MAX, INBOX_STREAMS_MAX};
use super::{Answered, Api};
use crate::error::{Failure, OVERLOADED, USAGE};
use crate::handle::Handle;
use crate::inbox::{FETCH_BYTES_MAX, FETCH_MAX, HOSTED_MAX, INBOX_PAGE, News, Page};
use crate::view::InboxDocument;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use ledger::encoding::canonical_bytes_of_list;
use ledger::{Address, Canonical, Reader as Decoder, TokenId, TransferId};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Most addresses in a query: what a person writes. More go into the body of a POST.
const QUERY_ADDRESSES_MAX: usize = 64;

/// `GET /v1/inbox/{did}`: JSON, or with `Accept: application/octet-stream` canonical bytes.
pub(super) async fn page(
    State(api): State<Api>,
    In(address): In<Address>,
    params: Params,
    headers: HeaderMap,
) -> Answered {
    let params = params.only(&["after", "limit"])?;
    let (after, limit) = (params.after::<TokenId>()?, params.limit(INBOX_PAGE)?);
    let read = move |handle: &Handle| Page::of(&handle.shared, address, after, limit);
    let page = api.blocking(read).await?;
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    if accept.contains("application/octet-stream") {
        let page = held(&api.answer_kib, page.to_bytes())?;
        return Ok(bytes(StatusCode::OK, "application/octet-stream", page));
    }
    Ok(held_document(&api.answer_kib, &InboxDocument::of(address, &page))?)
}

/// `POST /v1/receipts/fetch`: a canonical list of transfer ids; the answer is the canonical list of
/// the receipts that there are, in the ids' order, as many as fit 4 MiB.
pub(super) async fn fetch(State(api): State<Api>, params: Params, request: Request) -> Answered {
    params.only(&[])?;
    let body = body::read(&api.body_kib, request, 4 + 32 * FETCH_MAX).await?;
    let ids = list::<TransferId>(&body.bytes, "transfer ids", FETCH_MAX, 32)?;
    let read = move |handle: &Handle| handle.shared.store.receipts(&ids, FETCH_BYTES_MAX);
    let found = api.blocking(read).await??;
    let text = held(&api.answer_kib, canonical_bytes_of_list(&found))?;
    Ok(bytes(StatusCode::OK, "application/octet-stream", text))
}

/// A body that is one canonical list.
pub(super) fn list<T: Canonical>(
    body: &[u8],
    what: &'static str,
    max: usize,
    item_bytes_min: usize,
) -> Result<Vec<T>, Failure> {
    let mut reader = Decoder::new(body);
    let items = reader.list(what, max, item_bytes_min).map_err(malformed)?;
    if reader.left() > 0 || canonical_bytes_of_list(&items) != body {
        return Err(malformed(format!("it is no canonical list of {what}")));
    }
    Ok(items)
}

/// `GET /v1/inbox/{did}/stream?did=…`: for this address and those in the query.
pub(super) async fn stream(
    State(api): State<Api>,
    In(address): In<Address>,
    Pairs(pairs): Pairs,
) -> Answered {
    let mut addresses = BTreeSet::from([address]);
    for (name, text) in pairs {
        let usage = |why: String| Failure::new(USAGE, format!("{why}; nothing was done"));
        if name != "did" {
            return Err(usage("this route knows the parameter did only".into()).into());
        }
        addresses.insert(text.parse().map_err(|error| usage(format!("did: {error}")))?);
        if addresses.len() > QUERY_ADDRESSES_MAX {
            let what = format!("more than {QUERY_ADDRESSES_MAX} addresses in a query");
            return Err(usage(what).help("POST /v1/inbox/stream takes 1,024 in its body").into());
        }
    }
    follow(api, addresses)
}

/// `POST /v1/inbox/stream`: for the addresses of the canonical list in the body.
pub(super) async fn stream_of_many(State(api): State<Api>, request: Request) -> Answered {
    let body = body::read(&api.body_kib, request, 4 + 32 * HOSTED_MAX).await?;
    let addresses = list::<Address>(&body.bytes, "addresses", HOSTED_MAX, 32)?;
    follow(api, addresses.into_iter().collect())
}

fn follow(api: Api, addresses: BTreeSet<Address>) -> Answered {
    let permit = api.inbox_streams.clone().try_acquire_owned().map_err(|_| {
        let what = format!("{INBOX_STREAMS_MAX} streams of deliveries are open");
        Failure::new(OVERLOADED, what).help("close one, or ask another validator")
    })?;
    let newest = api.shared().inbox.follow();
    let at = *newest.borrow();
    let stopping = api.stopping.clone();
    let follower = Follower {
        handle: api.handle,
        addresses,
        newest,
        at,
        stopping,
        is_opened: false,
        _permit: permit,
    };
    Ok(bytes(StatusCode::OK, "text/event-stream", Body::new(EventBody::of(follower))))
}

/// One reader's place among the deliveries.
struct Follower {
    handle: Handle,
    addresses: BTreeSet<Address>,
    newest: watch::Receiver<u64>,
    /// Number of the last delivery that was looked at.
    at: u64,
    stopping: watch::Receiver<bool>,
    is_opened: bool,
    _permit: OwnedSemaphorePermit,
}

impl Writer for Follower {
    async fn next(mut self) -> Option<(Self, Bytes)> {
        if !self.is_opened {
            self.is_opened = true;
            let data = json!({"schema": "quorate.open/1", "ok": true, "sequence": self.at});
            let text = format!("retry: 1000\nevent: open\ndata: {data}\n\n");
            return Some((self, text.into()));
        }
        loop {
            self.newest.borrow_and_update();
            let (text, is_behind) = self.text();
            if let Some(text) = text {
                return Some((self, text.into()));
            }
            if is_behind {
                // Others get their turn between two looks.
                tokio::task::yield_now().await;
                continue;
            }
            if is_quiet(&mut self.newest, &mut self.stopping).await? {
                return Some((self, KEEP_ALIVE.into()));
            }
        }
    }
}

impl Follower {
    /// What there is to write now, and whether there is more to look at.
    fn text(&mut self) -> (Option<String>, bool) {
        let inbox = &self.handle.shared.inbox;
        let look = inbox.after(self.at, &self.addresses, EVENTS_AT_ONCE_MAX);
        self.at = look.at;
        let mut text = String::new();
        if look.missed > 0 {
            let data = json!({"schema": "quorate.gap/1", "ok": true, "missed": look.missed});
            write!(text, "event: gap\ndata: {data}\n\n").expect("writing to a string");
        }
        for News { sequence, id } in look.news {
            let schema = "quorate.delivery/1";
            let data = json!({"schema": schema, "ok": true, "id": id, "sequence": sequence});
            write!(text, "id: {sequence}\nevent: delivery\ndata: {data}\n\n")
                .expect("writing to a string");
        }
        ((!text.is_empty()).then_some(text), look.at < look.newest)
    }
}
