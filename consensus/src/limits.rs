//! Every bound of the consensus, with its unit and reason. Asserts at the end relate them to each
//! other.
//! `ledger` keeps the bounds of its own objects beside them.

/// Most entries of a batch. Votes carry one bit for each; the protocol's number.
pub const BATCH_ENTRIES_MAX: usize = ledger::bitmap::BITS_MAX;
/// Largest batch, bytes decoded; the protocol's number.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Largest message, bytes decoded: a batch with its certificate.
pub const MESSAGE_BYTES_MAX: usize = BATCH_BYTES_MAX + 512 * 1024;
/// Bytes from which a message is compressed: below, zstd's frame costs more than it saves.
pub const COMPRESS_BYTES_MIN: usize = 512;
/// zstd's window, log2 of bytes: a frame that wants more is refused (`shared/TESTING.md`, 2^31
/// windows).
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// zstd's level: 1 costs 0.1 ns/B when it finds nothing (`shared/LIMITS.md`).
pub const ZSTD_LEVEL: i32 = 1;

/// Batches of one proposer that a validator keeps open. More are refused until some are resolved.
pub const OPEN_BATCHES_PER_PROPOSER_MAX: usize = 256;
/// Batches of one proposer that a validator keeps although it refused all of each. An honest
/// proposer makes hardly any; more are refused until the old ones are forgotten.
pub const USELESS_BATCHES_PER_PROPOSER_MAX: usize = 32;
/// Bytes of the batches of one proposer that a validator judges or that may still move here: all
/// that an honest one has in flight, and half as much again. More are refused until some are
/// resolved.
pub const OPEN_BYTES_PER_PROPOSER_MAX: usize = 3 * FLIGHTS_MAX * BATCH_BYTES_MAX / 2;
/// What one member may make another do for nothing, at once: checks of a signature that does not
/// hold (some 40 to 200 µs each). An honest member never causes any.
pub const WRONGS_BURST: u64 = 64;
/// And forgiven in a second. One bad signature makes up to 128 be checked a second time, 2 ms: so
/// a liar costs less than 4 % of a core.
pub const WRONGS_PER_S: u64 = 16;
/// Longest time for which a member that is above that is not listened to, s.
pub const REFUSED_S_MAX: u64 = 60;
/// A message is long above this, bytes decoded: some 0.2 ms.
pub const LONG_BYTES: usize = 64 * 1024;
/// What one member may send in long messages at once, KiB decoded: all its batches in flight.
pub const SENT_KIB_BURST: u64 = 128 * 1024;
/// And in a second: 200,000 transfers, several times what seven validators can take, and a fifth
/// of what one thread can decode.
pub const SENT_KIB_PER_S: u64 = 64 * 1024;
/// What a `Recover` costs besides its states, each as much as a promise: two signatures.
pub const RECOVER_COST: u64 = 16;
/// What one member may pass on of `Recover`s at once: twice what it may collect.
pub const RECOVERED_BURST: u64 = 65_536;
/// And in a second: 400 KB of durable promises.
pub const RECOVERED_PER_S: u64 = 4_096;
/// Certificates that wait for a batch or a parent that is missing here. When full, the oldest goes:
/// it can
/// be asked for again.
pub const PARKED_MAX: usize = 1_024;
/// Parents that one proposal may make a validator ask for; more are refused as invented.
pub const PARENTS_PER_BATCH_MAX: usize = BATCH_ENTRIES_MAX;
/// Transfers that are missing here and that batches wait for; invented ones can't take more memory.
pub const WAITING_MAX: usize = 16 * BATCH_ENTRIES_MAX;
/// Batches remembered by id that were voted on, are forgotten, and could still gain other bits (see
/// `validator/closed.rs`); 2 MiB. Above it, a batch with a spent entry gets no vote here.
pub const CLOSED_MAX: usize = 65_536;
/// Evidence kept, one a state; when full, new evidence is counted and not kept.
pub const EVIDENCE_MAX: usize = 10_000;
/// Refusals that a vote message explains.
pub const REFUSALS_MAX: usize = BATCH_ENTRIES_MAX;

/// Transfers that wait at a proposer for a batch. When full, clients are refused with "overloaded".
pub const QUEUE_MAX: usize = 8 * BATCH_ENTRIES_MAX;
/// Bytes that wait at a proposer for a batch.
pub const QUEUE_BYTES_MAX: usize = 8 * BATCH_BYTES_MAX;
/// Batches that a proposer has in flight; the next waits in the queue and grows.
pub const FLIGHTS_MAX: usize = 16;
/// Batches that a proposer keeps in all, those among them that are stuck. When they are that many,
/// nothing
/// new is sealed: the queue grows, and clients are refused when it is full.
pub const FLIGHTS_KEPT_MAX: usize = 128;
/// A batch without end after this, µs, holds up no other any more: something in it is stuck.
pub const FLIGHT_BUSY_US_MAX: u64 = 500_000;
/// A batch is sealed when its oldest transfer is this old, µs, although others are in flight. Under
/// load
/// the end of a flight comes first, so this bounds latency and does not set the batch's size.
pub const BATCH_AGE_US_MAX: u64 = 20_000;
/// A transfer without outcome is proposed again after this, µs, then after twice that, and so on.
pub const RETRY_US: u64 = 1_000_000;
/// A transfer that can't reach a quorum because of another's locks is answered `locked` after this,
/// µs,
/// unless the other becomes final in the meantime and it is rejected as spent.
pub const LOCKED_SETTLE_US: u64 = 300_000;
/// A transfer without outcome is answered `unknown` after this, µs.
pub const DEADLINE_US: u64 = 10_000_000;
/// A batch whose transfers are all resolved is remembered this long, µs, to answer repeats.
pub const RESOLVED_KEEP_US: u64 = 5_000_000;

/// `Recover`s in one message.
pub const RECOVERS_MAX: usize = 256;
/// States of all `Recover`s in one message: each may become a durable promise.
pub const RECOVER_STATES_MAX: usize = 2 * ledger::transfer::INPUTS_MAX;
/// Promises in one record of the journal.
pub const PROMISES_MAX: usize = ledger::transfer::INPUTS_MAX;
/// `Recover`s that one member collects reports for at one time; more are refused as "overloaded".
pub const COLLECTING_MAX: usize = 4 * RECOVERS_MAX;
/// States of all `Recover`s that one member collects reports for; more are refused.
pub const COLLECTING_STATES_MAX: usize = 4 * RECOVER_STATES_MAX;
/// Bytes of the lock proofs in one answer to a `Recover`. States whose proofs would go beyond are
/// not promised; the largest transfer fits.
pub const REPORT_PROOFS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Receipts in one justification.
pub const JUSTIFICATION_RECEIPTS_MAX: usize = 64;
/// How long reports are waited for, µs.
pub const COLLECT_US: u64 = 3_000_000;
/// Who has not answered a `Recover` is asked again after this, µs.
pub const COLLECT_REPEAT_US: u64 = 400_000;
/// How many rounds above its own an owner follows members that may all be liars, at a time: the
/// rounds last for four million attempts, and no honest owner leaves so many behind at once.
pub const ROUND_LEAP_MAX: u32 = 1_024;
/// A validator proposes a transfer again by itself whose lock it has held for this long, µs: longer
/// than its proposer takes when all is well, shorter than a client waits.
pub const ORPHAN_AGE_US: u64 = 4_000_000;
/// The validators take turns with orphans, µs apart: almost always the first one is enough.
pub const ORPHAN_TURN_US: u64 = 400_000;
/// The pause before an orphan is proposed again doubles up to this, µs: whoever splits the locks of
/// its own tokens must not keep seven validators busy.
pub const ORPHAN_PAUSE_US_MAX: u64 = 600_000_000;
/// Pause between two orphaned batches of one validator, µs: who refuses all of them keeps each for
/// a while, and must not run out of room for this validator's ordinary batches.
pub const ORPHAN_EVERY_US: u64 = 400_000;
/// A batch that was taken over is kept in flight this long, µs; then its next turn comes, or none.
pub const ADOPTED_US: u64 = 2_000_000;

const _: () = assert!(COLLECT_REPEAT_US < COLLECT_US);
const _: () = assert!(RECOVER_STATES_MAX >= ledger::transfer::INPUTS_MAX);
const _: () = assert!(ADOPTED_US < ORPHAN_AGE_US && ORPHAN_AGE_US < ORPHAN_PAUSE_US_MAX);
const _: () = assert!(ORPHAN_AGE_US < DEADLINE_US);
const _: () = assert!(USELESS_BATCHES_PER_PROPOSER_MAX >= 32);
const _: () = assert!(2 * RESOLVED_KEEP_US < 32 * ORPHAN_EVERY_US);
const _: () = assert!(REPORT_PROOFS_BYTES_MAX + 2 * 4_096 * 109 < MESSAGE_BYTES_MAX);
const _: () = assert!(BATCH_BYTES_MAX < MESSAGE_BYTES_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX < 1 << (ZSTD_WINDOW_LOG_MAX + 2));
const _: () = assert!(QUEUE_MAX >= BATCH_ENTRIES_MAX && QUEUE_BYTES_MAX >= BATCH_BYTES_MAX);
const _: () = assert!(USELESS_BATCHES_PER_PROPOSER_MAX < OPEN_BATCHES_PER_PROPOSER_MAX);
const _: () = assert!(OPEN_BYTES_PER_PROPOSER_MAX > FLIGHTS_MAX * BATCH_BYTES_MAX);
const _: () =
    assert!(SENT_KIB_BURST == 1_024 * 128 && 128 >= (FLIGHTS_MAX * BATCH_BYTES_MAX) >> 20);
const _: () = assert!(RECOVERED_BURST >= 2 * 4 * 8_192);
const _: () = assert!(FLIGHTS_MAX < FLIGHTS_KEPT_MAX);
const _: () = assert!(FLIGHTS_KEPT_MAX < OPEN_BATCHES_PER_PROPOSER_MAX);
const _: () = assert!(BATCH_AGE_US_MAX < RETRY_US && RETRY_US < DEADLINE_US);
// A transfer of the most inputs and outputs fits a batch of its own.
const _: () = assert!(4_096 * (112 + 120) < BATCH_BYTES_MAX);
