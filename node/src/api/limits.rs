//! Every bound of the API, with its unit and reason.

use crate::inbox::FETCH_BYTES_MAX;
use consensus::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX};
use std::time::Duration;

/// Largest signed transfer, canonical bytes: 4,096 inputs of 112 bytes and 4,096 issues of 114 are
/// 925,696, and the rest of a transfer is below 1 KiB.
pub const TRANSFER_BYTES_MAX: usize = 1024 * 1024;
/// Largest body of one transfer: the bytes in hexadecimal, with the JSON around them.
pub const TRANSFER_BODY_BYTES_MAX: usize = 2 * TRANSFER_BYTES_MAX + 1024;
/// Most transfers in one body; the protocol's batch.
pub const TRANSFERS_MAX: usize = BATCH_ENTRIES_MAX;
/// Largest body of many transfers: a batch's bytes, and a length before each.
pub const BATCH_BODY_BYTES_MAX: usize = BATCH_BYTES_MAX + 4 + 4 * TRANSFERS_MAX;

/// Bytes of a refused body that are read, to be able to answer: twice the largest body.
pub const DISCARD_BYTES_MAX: usize = 2 * BATCH_BODY_BYTES_MAX;

/// KiB of bodies that are in memory at a time; a body beyond is refused as overloaded.
pub const BODIES_KIB_MAX: usize = 128 * 1024;
/// KiB of long answers that are made and not yet written, whoever reads them or does not; an answer
/// beyond is refused as overloaded.
pub const ANSWERS_KIB_MAX: usize = 128 * 1024;
/// Requests in flight, waiting ones included; one beyond is refused as overloaded.
pub const IN_FLIGHT_MAX: usize = 1_024;
/// Connections open; the next waits in the system's queue until one ends.
pub const CONNECTIONS_MAX: usize = 2_048;
/// Streams of events open; one beyond is refused as overloaded.
pub const EVENT_STREAMS_MAX: usize = 64;
/// Streams of deliveries open, one a wallet node; one beyond is refused as overloaded.
pub const INBOX_STREAMS_MAX: usize = 256;
/// Reads of the disk at a time; one beyond waits.
pub const STORE_READS_MAX: usize = 8;

/// Time for a request's head; an idle connection is closed after it, too.
pub const HEADER_TIME_MAX: Duration = Duration::from_secs(30);
/// Time for a request's body.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a transfer's end.
pub const WAIT_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest time in which a client takes nothing of what is written to it; then its connection is
/// closed.
pub const WRITE_IDLE_MAX: Duration = Duration::from_secs(30);
/// Time for a request: its body, its wait, and the reads around them.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(50);
/// How long somebody who has a file is looked for, unless the request says otherwise.
pub const CONTENT_WAIT: Duration = Duration::from_secs(10);
/// Time for a file to be put or pinned: 1 GiB at some 2 MB a second. A file that is got has none:
/// only the wait for its root and for each piece is bounded.
pub const CONTENT_TIME_MAX: Duration = Duration::from_secs(600);
/// How often a transfer that another validator proposes is looked for, while a client waits.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A stream of events says that it is alive this often.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// Time that connections have to finish when the server ends.
pub const STOP_TIME_MAX: Duration = Duration::from_millis(500);

/// Bytes of a request's head, and of the buffer of a connection.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Events written to a stream at once, about 700 bytes each.
pub const EVENTS_AT_ONCE_MAX: usize = 64;

/// Tokens on a page: what is given without `limit`, and the most.
pub const TOKENS_PAGE: (usize, usize) = (500, 5_000);
/// States of a token's history on a page; each reads a batch from disk.
pub const HISTORY_PAGE: (usize, usize) = (20, 100);
/// Lines of the applied log on a page.
pub const BATCHES_PAGE: (usize, usize) = (100, 1_000);
/// Assets on a page.
pub const SUPPLY_PAGE: (usize, usize) = (1_000, 5_000);
/// Pieces of evidence on a page.
pub const EVIDENCE_PAGE: (usize, usize) = (100, 1_000);
/// Bytes of evidence on a page, unless the first piece alone is longer.
pub const EVIDENCE_PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

const _: () = assert!(4_096 * (112 + 114) + 1024 < TRANSFER_BYTES_MAX);
const _: () = assert!(TRANSFER_BODY_BYTES_MAX < BATCH_BODY_BYTES_MAX);
const _: () = assert!(BATCH_BODY_BYTES_MAX < BODIES_KIB_MAX * 1024);
const _: () = assert!(FETCH_BYTES_MAX + EVIDENCE_PAGE_BYTES_MAX < ANSWERS_KIB_MAX * 1024);
const _: () = assert!(IN_FLIGHT_MAX + EVENT_STREAMS_MAX + INBOX_STREAMS_MAX <= CONNECTIONS_MAX);
const _: () =
    assert!(WAIT_TIME_MAX.as_millis() + BODY_TIME_MAX.as_millis() < REQUEST_TIME_MAX.as_millis());
const _: () = assert!(CONTENT_WAIT.as_millis() <= WAIT_TIME_MAX.as_millis());
const _: () = assert!(STOP_TIME_MAX.as_millis() < 1_000);
const _: () = assert!(TOKENS_PAGE.0 <= TOKENS_PAGE.1 && HISTORY_PAGE.0 <= HISTORY_PAGE.1);
