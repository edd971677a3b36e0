//! Bodies of requests: bounded in bytes, in time, and in memory over all requests; then decoded.

use super::Api;
use super::limits::{
    BATCH_BODY_BYTES_MAX, BODY_TIME_MAX, DISCARD_BYTES_MAX, TRANSFER_BODY_BYTES_MAX,
    TRANSFER_BYTES_MAX, TRANSFERS_MAX,
};
use crate::error::{Failure, MALFORMED, OVERLOADED, TOO_LARGE, USAGE, refused_transfer};
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use consensus::limits::{RECOVER_STATES_MAX, RECOVERS_MAX};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ledger::{
    Canonical, Entry, Network, Reader, SignedRecover, SignedTransfer, TransferError, TransferId,
};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::ToSchema;

/// Batches of up to so many bytes are decoded where they come in: some 0.2 ms at 2 µs a transfer,
/// and to wake another thread costs as much as fifty of them (`perf`, offered 15,000 a second).
const INLINE_BODY_BYTES_MAX: usize = 32 * 1024;

/// A body in memory; its share of the budget comes back when it goes.
pub(super) struct Body {
    /// The bytes.
    pub(super) bytes: Bytes,
    /// Whether its type is `application/json`.
    pub(super) is_json: bool,
    /// Only held.
    _share: OwnedSemaphorePermit,
}

/// A signed transfer in JSON.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrappedTransfer {
    /// Its canonical bytes, hexadecimal.
    #[schema(pattern = "^([0-9a-fA-F]{2})*$")]
    transfer: String,
}

/// The canonical bytes of one signed transfer: the body, or the hexadecimal text in its JSON.
pub(super) async fn one_transfer(api: &Api, request: Request) -> Result<SignedTransfer, Failure> {
    let body = read(&api.body_kib, request, TRANSFER_BODY_BYTES_MAX).await?;
    let network = &api.shared().network;
    if !body.is_json {
        return decode(&body.bytes, network).map_err(|refused| refused.failure);
    }
    let wrapped: WrappedTransfer = serde_json::from_slice(&body.bytes)
        .map_err(|error| malformed(format!("the JSON is not {{\"transfer\": HEX}}: {error}")))?;
    let bytes = hex::decode(&wrapped.transfer)
        .map_err(|error| malformed(format!("\"transfer\" is no hexadecimal text: {error}")))?;
    decode(&bytes, network).map_err(|refused| refused.failure)
}

/// A transfer of a body, or why it is refused, with its id where there is one.
pub(super) type Decoded = Result<SignedTransfer, Box<Refused>>;

/// Why bytes are not taken.
pub(super) struct Refused {
    /// The transfer, where the bytes are one.
    pub(super) id: Option<TransferId>,
    /// Why.
    pub(super) failure: Failure,
}

/// The signed transfers of a batch body, in order: count, then each with its length, u32
/// little-endian.
pub(super) async fn many_transfers(api: &Api, request: Request) -> Result<Vec<Decoded>, Failure> {
    let body = read(&api.body_kib, request, BATCH_BODY_BYTES_MAX).await?;
    if body.is_json {
        return Err(malformed("a batch of transfers is sent as application/octet-stream"));
    }
    let decode_all = |bytes: &[u8], network: &Network| {
        Ok(split(bytes)?.into_iter().map(|bytes| decode(bytes, network)).collect())
    };
    if body.bytes.len() <= INLINE_BODY_BYTES_MAX {
        return decode_all(&body.bytes, &api.shared().network);
    }
    api.blocking(move |handle| decode_all(&body.bytes, &handle.shared.network)).await?
}

/// The `Recover`s of a body, a canonical list, each signed by its owner for this network.
pub(super) async fn recovers(api: &Api, request: Request) -> Result<Vec<SignedRecover>, Failure> {
    let body = read(&api.body_kib, request, TRANSFER_BODY_BYTES_MAX).await?;
    api.blocking(move |handle| {
        let network = &handle.shared.network;
        let mut reader = Reader::new(&body.bytes);
        let recovers: Vec<SignedRecover> = reader
            .list("recovers", RECOVERS_MAX, 184)
            .map_err(|error| malformed(format!("not a list of recovers: {error}")))?;
        let states: usize = recovers.iter().map(|signed| signed.recover.states.len()).sum();
        if recovers.is_empty() || reader.left() > 0 || states > RECOVER_STATES_MAX {
            let what =
                format!("1 to {RECOVERS_MAX} recovers of {RECOVER_STATES_MAX} states in all");
            return Err(malformed(what));
        }
        let is_ours = |signed: &SignedRecover| {
            signed.recover.epoch == network.epoch && signed.is_signed(&network.id)
        };
        match recovers.iter().position(|signed| !is_ours(signed)) {
            None => Ok(recovers),
            Some(index) => {
                let what = format!("its owner did not sign recover {index} for this network");
                Err(Failure::new(
                    refused_transfer(&TransferError::BadSignature),
                    what + "; nothing was asked",
                ))
            }
        }
    })
    .await?
}

/// The entries of a batch body, each above round 0 with its justification.
pub(super) async fn many_entries(api: &Api, request: Request) -> Result<Vec<Entry>, Failure> {
    let body = read(&api.body_kib, request, BATCH_BODY_BYTES_MAX).await?;
    api.blocking(move |handle| {
        let slices = split(&body.bytes)?;
        let network = &handle.shared.network;
        slices.into_iter().map(|bytes| decode_entry(bytes, network)).collect()
    })
    .await?
}

fn decode_entry(bytes: &[u8], network: &Network) -> Result<Entry, Failure> {
    let entry =
        Entry::from_bytes(bytes).map_err(|error| malformed(format!("no entry: {error}")))?;
    if entry.round == 0 {
        return Err(malformed("an entry of round 0 goes to /v1/transfers"));
    }
    entry.signed.transfer.check(network).map_err(|error| {
        Failure::new(refused_transfer(&error), format!("{error}; nothing was proposed"))
    })?;
    Ok(entry)
}

pub(super) async fn read(
    body_kib: &Arc<Semaphore>,
    request: Request,
    bytes_max: usize,
) -> Result<Body, Failure> {
    let is_json = match request.headers().get(CONTENT_TYPE).map(|value| value.to_str()) {
        None => false,
        Some(Ok(text)) if text.starts_with("application/octet-stream") => false,
        Some(Ok(text)) if text.starts_with("application/json") => true,
        Some(_) => {
            let what = "a body is application/octet-stream or application/json; nothing was done";
            let help = "curl --data-binary @FILE -H 'content-type: application/octet-stream' URL";
            return Err(Failure::new(USAGE, what).help(help));
        }
    };
    let too_large = || {
        let what = format!("the body is larger than {bytes_max} bytes; nothing was done");
        Failure::new(TOO_LARGE, what).details(json!({"bytes_max": bytes_max}))
    };
    let body = request.into_body();
    let hint = body.size_hint();
    let most = u64::try_from(bytes_max).expect("a size");
    if hint.lower() > most {
        discard(body).await;
        return Err(too_large());
    }
    let kib = hint.upper().unwrap_or(most).min(most) / 1024 + 1;
    let kib = u32::try_from(kib).expect("a body is far below 4 TiB");
    let Ok(share) = body_kib.clone().try_acquire_many_owned(kib) else {
        discard(body).await;
        let what = "the node has too many bodies to read; nothing was done";
        return Err(Failure::new(OVERLOADED, what).help("send the same request again in a second"));
    };
    let reading = Limited::new(body, bytes_max).collect();
    let read = tokio::time::timeout(BODY_TIME_MAX, reading).await;
    let read = read.map_err(|_| malformed("the body did not come in time"))?;
    let bytes = read.map_err(|error| {
        let is_long = error.downcast_ref::<LengthLimitError>().is_some();
        if is_long { too_large() } else { malformed(format!("the body ended early: {error}")) }
    })?;
    Ok(Body { bytes: bytes.to_bytes(), is_json, _share: share })
}

/// Reads a refused body and keeps nothing of it: a client that is still writing would otherwise see
/// its connection cut instead of the answer, and could not tell that nothing was done.
pub(super) async fn discard(mut body: axum::body::Body) {
    let discarding = async {
        let mut left = DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // Over time, the connection is cut after all.
    drop(tokio::time::timeout(BODY_TIME_MAX, discarding).await);
}

/// The parts of a batch body.
fn split(body: &[u8]) -> Result<Vec<&[u8]>, Failure> {
    let (count, mut rest) = number(body)?;
    if count == 0 || count > TRANSFERS_MAX {
        return Err(malformed(format!("{count} transfers; a body has 1 to {TRANSFERS_MAX}")));
    }
    let mut parts = Vec::with_capacity(count);
    for index in 0..count {
        let (length, after) = number(rest)?;
        let part = after.split_at_checked(length);
        let (part, after) =
            part.ok_or_else(|| malformed(format!("transfer {index} of the body is cut off")))?;
        parts.push(part);
        rest = after;
    }
    if rest.is_empty() {
        Ok(parts)
    } else {
        Err(malformed(format!("{} bytes are left over behind the last transfer", rest.len())))
    }
}

fn number(bytes: &[u8]) -> Result<(usize, &[u8]), Failure> {
    let cut = || malformed("the body is cut off in a count or a length");
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
    let number = usize::try_from(u32::from_le_bytes(*head)).map_err(|_| cut())?;
    Ok((number, rest))
}

/// Decodes canonical bytes and checks the rules that need no store.
fn decode(bytes: &[u8], network: &Network) -> Decoded {
    if bytes.len() > TRANSFER_BYTES_MAX {
        let what = format!("a transfer is at most {TRANSFER_BYTES_MAX} bytes; nothing was done");
        return Err(refused(None, Failure::new(TOO_LARGE, what)));
    }
    let signed = SignedTransfer::from_bytes(bytes)
        .map_err(|error| refused(None, malformed(format!("not a signed transfer: {error}"))))?;
    match signed.transfer.check(network) {
        Ok(()) => Ok(signed),
        Err(error) => {
            let id = signed.transfer.id();
            let what = format!("{error}; nothing was proposed");
            let failure = Failure::new(refused_transfer(&error), what);
            Err(refused(Some(id), failure.details(json!({"transfer": id}))))
        }
    }
}

fn refused(id: Option<TransferId>, failure: Failure) -> Box<Refused> {
    Box::new(Refused { id, failure })
}

pub(super) fn malformed(why: impl std::fmt::Display) -> Failure {
    Failure::new(MALFORMED, format!("the request's body is refused: {why}; nothing was done"))
}
