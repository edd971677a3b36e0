//! What can go wrong with content, as failures: what happened, whether anything was changed, and
//! what to do next.

use super::stopped;
use crate::error::{
    CONTENT_NOT_FOUND, DAEMON_UNREACHABLE, Failure, MALFORMED, OVERLOADED, STORE_FAILED,
    STORE_FULL, TOO_LARGE, VERIFICATION_FAILED,
};
use ipfs_adapter::chunks::{GetError, PutError};
use ipfs_adapter::dag::{DagError, ReadError};
use ipfs_adapter::{BlockError, ContentId, IpfsError};
use serde_json::json;

/// Nobody had it in time. That does not say that nobody has it.
pub(super) fn not_found(root: ContentId) -> Failure {
    let what = format!("nobody who could be asked gave {root} in time; nothing was changed");
    Failure::new(CONTENT_NOT_FOUND, what)
        .help("wait longer: --timeout 30s, or ?wait=30s")
        .help("see whom this node knows: GET /v1/dht")
        .details(json!({"cid": root.to_string()}))
}

pub(super) fn of_put(error: &PutError) -> Failure {
    match error {
        PutError::Read(kind) => {
            let what = format!("the file ended early ({kind}); nothing was kept");
            Failure::new(MALFORMED, what).help("send the file again")
        }
        PutError::TooLarge => Failure::new(TOO_LARGE, "the file is too large; nothing was kept")
            .help("cut it into parts"),
        PutError::Store(error) => of_block(error),
        PutError::Stopped => stopped(),
    }
}

pub(super) fn of_get(error: &GetError) -> Failure {
    match error {
        GetError::NoHolders { root } => not_found(*root),
        GetError::Holders { root, error } => {
            let failure = not_found(*root);
            let message = format!("{} ({error})", failure.message);
            Failure { message, ..failure }
        }
        GetError::Unavailable { id, tries, last } => {
            let what = format!("no peer gave the block {id} in {tries} tries (the last: {last})");
            Failure::new(CONTENT_NOT_FOUND, what + "; what was fetched before is kept")
                .help("run the same command again: it goes on where it stood")
                .details(json!({"cid": id.to_string()}))
        }
        GetError::Dag(error) => of_dag(error),
        GetError::Store(error) => of_block(error),
        GetError::Stopped => stopped(),
    }
}

pub(super) fn of_read(error: &ReadError) -> Failure {
    match error {
        ReadError::NotHeld { id } => {
            let what = format!("the block {id} went away while the file was read");
            Failure::new(CONTENT_NOT_FOUND, what + "; nothing was changed")
                .help("run the same command again")
        }
        ReadError::Dag(error) => of_dag(error),
        ReadError::Store(error) => of_block(error),
        ReadError::Write(_) => stopped(),
    }
}

fn of_dag(error: &DagError) -> Failure {
    let what = format!("the CID names no file that can be read: {error}; nothing was kept of it");
    Failure::new(VERIFICATION_FAILED, what).help("ask whoever gave you the CID")
}

fn of_block(error: &BlockError) -> Failure {
    match error {
        BlockError::Full { bytes_used, bytes_wanted, bytes_max } => {
            full(*bytes_used, *bytes_wanted, *bytes_max)
        }
        BlockError::Daemon(error) => of_ipfs(error),
        other => {
            let what = format!("the content store can't be used: {other}; nothing was kept");
            Failure::new(STORE_FAILED, what).help("look at the node's log")
        }
    }
}

pub(super) fn of_ipfs(error: &IpfsError) -> Failure {
    match error {
        IpfsError::Full { bytes_used, bytes_wanted, bytes_max } => {
            full(*bytes_used, *bytes_wanted, *bytes_max)
        }
        IpfsError::Unreachable { .. } | IpfsError::Timeout { .. } | IpfsError::Nonsense { .. } => {
            Failure::new(DAEMON_UNREACHABLE, format!("{error}; nothing was kept"))
                .help("start the daemon, or change ipfs.kubo in the node's configuration")
        }
        IpfsError::Busy { .. } => Failure::new(OVERLOADED, format!("{error}; nothing was kept"))
            .help("send the same request again in a second"),
        IpfsError::Stopped => stopped(),
        other => {
            let what = format!("the content can't be kept: {other}");
            Failure::new(STORE_FAILED, what).help("run the same command again")
        }
    }
}

fn full(bytes_used: u64, bytes_wanted: u64, bytes_max: u64) -> Failure {
    let what = format!(
        "the content store is full: {bytes_used} of {bytes_max} bytes are used; nothing was kept"
    );
    Failure::new(STORE_FULL, what)
        .help("raise ipfs.content_bytes_max in the node's configuration, or ask another node")
        .details(json!({
            "bytes_used": bytes_used, "bytes_wanted": bytes_wanted, "bytes_max": bytes_max,
        }))
}
