//! Files by CID: put, got, looked at, pinned. Bytes stream both ways; of none is more than a few
//! blocks in memory, and none leaves that was not hashed. And `GET /v1/dht`, the network behind it.

use super::answer::{bytes, ok};
use super::body::discard;
use super::input::{In, Params};
use super::limits::{BODY_TIME_MAX, CONTENT_WAIT};
use super::{Answered, Api};
use crate::content::{CONTENT_BYTES_MAX, ContentStore};
use crate::error::{Failure, MALFORMED, TOO_LARGE};
use crate::view::{ContentDocument, DhtDocument, switched_off};
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::BodyExt;
use ipfs_adapter::ContentId;
use serde_json::json;
use std::io;
use tokio::sync::mpsc;

/// Pieces of a body that wait to be stored, at most a read buffer each (64 KiB).
const PIECES_MAX: usize = 8;

fn store(api: &Api) -> Result<&ContentStore, Failure> {
    api.shared().ipfs.as_ref().map(|ipfs| &ipfs.content).ok_or_else(switched_off)
}

/// `PUT /v1/content`: the body is the file.
pub(super) async fn put(State(api): State<Api>, request: Request) -> Answered {
    let content = store(&api)?;
    let mut body = request.into_body();
    let hint = body.size_hint();
    if hint.lower() > CONTENT_BYTES_MAX {
        discard(body).await;
        return Err(too_large().into());
    }
    let (pieces_in, pieces) = mpsc::channel(PIECES_MAX);
    let putting = content.put(Incoming { pieces, now: Bytes::new() }, hint.lower());
    let (put, fed) = tokio::join!(putting, feed(&mut body, pieces_in));
    if put.is_err() || fed.is_err() {
        // A client that is still writing is to see the answer.
        discard(body).await;
    }
    fed?;
    Ok(ok(&ContentDocument::of_stored(&put?)))
}

/// Hands a body on, piece by piece, as fast as it is stored.
async fn feed(
    body: &mut Body,
    pieces: mpsc::Sender<Result<Bytes, io::ErrorKind>>,
) -> Result<(), Failure> {
    let mut count = 0;
    let why = loop {
        let piece = match tokio::time::timeout(BODY_TIME_MAX, body.frame()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(error))) => break malformed(&format!("it ended early: {error}")),
            Err(_) => break malformed("the next bytes did not come in time"),
        };
        count += u64::try_from(piece.len()).expect("a read buffer");
        if count > CONTENT_BYTES_MAX {
            break too_large();
        }
        if pieces.send(Ok(piece)).await.is_err() {
            // The store has refused, and says so itself.
            return Ok(());
        }
    };
    // As above.
    drop(pieces.send(Err(io::ErrorKind::UnexpectedEof)).await);
    Err(why)
}

/// The other end: read where blocking is allowed.
struct Incoming {
    pieces: mpsc::Receiver<Result<Bytes, io::ErrorKind>>,
    now: Bytes,
}

impl io::Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.now = piece?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.now.len());
        buffer[..count].copy_from_slice(&self.now.split_to(count));
        Ok(count)
    }
}

/// `GET /v1/content/{cid}`: the file's bytes, in order.
pub(super) async fn get(
    State(api): State<Api>,
    In(cid): In<ContentId>,
    params: Params,
) -> Answered {
    let wait = params.only(&["wait"])?.wait()?.unwrap_or(CONTENT_WAIT);
    let reading = store(&api)?.get(cid, wait).await?;
    Ok(bytes(StatusCode::OK, "application/octet-stream", Body::new(reading)))
}

/// `GET /v1/content/{cid}/stat`: how much of it is here.
pub(super) async fn stat(
    State(api): State<Api>,
    In(cid): In<ContentId>,
    params: Params,
) -> Answered {
    params.only(&[])?;
    let known = store(&api)?.stat(cid).await?;
    Ok(ok(&ContentDocument::of_known(cid, &known)))
}

/// `POST /v1/content/{cid}/pin`: fetch what is missing, and keep it.
pub(super) async fn pin(
    State(api): State<Api>,
    In(cid): In<ContentId>,
    params: Params,
) -> Answered {
    let wait = params.only(&["wait"])?.wait()?.unwrap_or(CONTENT_WAIT);
    let report = store(&api)?.pin(cid, wait).await?;
    Ok(ok(&ContentDocument::of_pinned(cid, &report)))
}

/// `GET /v1/dht`: the embedded node, its peers, queries, records and blocks.
pub(super) async fn dht(State(api): State<Api>, params: Params) -> Answered {
    params.only(&[])?;
    let shared = api.shared();
    let protocol = &shared.config.ipfs.kad_protocol;
    Ok(ok(&DhtDocument::of(shared.ipfs.as_ref(), protocol).await?))
}

fn too_large() -> Failure {
    let what = format!("the file is larger than {CONTENT_BYTES_MAX} bytes; nothing was kept");
    Failure::new(TOO_LARGE, what).help("cut it into parts").details(json!({
        "bytes_max": CONTENT_BYTES_MAX,
    }))
}

fn malformed(why: &str) -> Failure {
    Failure::new(MALFORMED, format!("the file is refused: {why}; nothing was kept"))
        .help("send the file again")
}
