//! Every bound of Bitswap, with its unit and reason. The ones that an operator or a test may want
//! otherwise are fields of [`BitswapLimits`]; the others are constants.

use std::time::Duration;

use super::message::ITEMS_MAX;
use crate::BLOCK_BYTES_MAX;

/// The longest message that is read: 4 MiB, where go-libp2p's readers give up (MessageSizeMax,
/// `1 << 22`), so no sound peer sends more. Checked before anything is allocated.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Once so many bytes of blocks are in a message of ours, it goes: with a last block of 1 MiB and
/// a full wantlist it stays below 2 MiB, the least that peers are known to read.
pub(super) const BATCH_BYTES: usize = 512 << 10;

/// Wants of one peer that are looked up in one go on the blocking pool.
pub(super) const BATCH_COUNT: usize = 256;

/// Whoever asks only whether a block is here gets it, if it has at most so many bytes: cheaper
/// than another round (Kubo does the same at 1,024).
pub(super) const INLINE_BYTES: u64 = 1_024;

/// Messages up to so many bytes are read outside the common budget, so that wants and presences
/// get through while big blocks fill it. 512 peers x 9 x 4 KiB = 18 MiB at worst.
pub(super) const SMALL_MESSAGE_BYTES: usize = 4 << 10;

/// A whole message must have come so long after its first byte: 4 MiB at 140 KB/s.
pub(super) const READ_DEADLINE: Duration = Duration::from_secs(30);

/// One try to open a stream; a hung peer does not answer.
pub(super) const OPEN_DEADLINE: Duration = Duration::from_millis(1_500);

/// Tries to get one message out, each on a new stream, before the peer counts as unreachable.
pub(super) const ATTEMPTS_MAX: u32 = 3;

/// The pause before the second try; it doubles.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// How often given-up calls are looked for and cancelled, and old wants dropped.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// The same when nothing is wanted of the peer.
pub(super) const TICK_IDLE: Duration = Duration::from_secs(1);

/// A peer that has said nothing for so long is told again what is wanted: it may have lost it.
pub(super) const REPEAT_AFTER: Duration = Duration::from_secs(5);

/// Calls and streams that wait for one peer's task, and calls that wait for the hub; more are
/// refused.
pub(super) const EVENTS_WAITING_MAX: usize = 1_024;

/// Ids put lately that a peer's task has not looked at yet; over it, it looks at all its wants.
pub(super) const NOTICES_WAITING_MAX: usize = 256;

/// Callers that wait for blocks or presences of one peer, over all ids; more are refused.
pub(super) const WAITERS_MAX: usize = 4_096;

/// So many cancels make a message of their own; fewer wait for the next one, or for the tick.
pub(super) const CANCELS_WAITING_MAX: usize = 64;

/// Answers "don't have" about CIDs of kinds unknown here that wait to be sent; more are left out.
pub(super) const REFUSALS_MAX: usize = 1_024;

/// What one node gives Bitswap, and one peer of it. The defaults are for a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitswapLimits {
    /// Distinct ids that this node may want of one peer, and one peer of this node (go: 1,024).
    /// Over it, own calls are refused; a peer's want is answered "don't have" if it asked for
    /// that, else ignored.
    pub wants_max: usize,
    /// Peers that are talked with at once. Over it, inbound streams are dropped; own calls get
    /// as many again.
    pub peers_max: usize,
    /// Inbound streams of one peer; more are dropped.
    pub streams_per_peer_max: usize,
    /// Bytes of messages being read or handled, all peers together; a message waits for room
    /// until its deadline.
    pub inbound_bytes_max: usize,
    /// Bytes of blocks read for peers and not yet sent, all peers together; a peer's wants wait.
    pub outbound_bytes_max: usize,
    /// Look-ups in the block store at once, each a thread of the blocking pool.
    pub reads_max: usize,
    /// How long a peer's want for an absent block is kept.
    pub want_ttl: Duration,
    /// How long one message may take to be written before its stream is given up.
    pub write_deadline: Duration,
    /// After so long without anything to do a peer's task ends and its outbound stream closes.
    pub idle: Duration,
}

impl Default for BitswapLimits {
    fn default() -> Self {
        Self {
            wants_max: WANTS_MAX,
            peers_max: 512,
            streams_per_peer_max: 8,
            inbound_bytes_max: 64 << 20,
            outbound_bytes_max: 64 << 20,
            reads_max: 4,
            want_ttl: Duration::from_secs(600),
            write_deadline: Duration::from_secs(10),
            idle: Duration::from_secs(60),
        }
    }
}

/// The default of [`BitswapLimits::wants_max`], and its ceiling.
pub(super) const WANTS_MAX: usize = 1_024;

/// Bytes that one look-up may bring: the batch, passed by its last block.
pub(super) const BATCH_BYTES_MAX: usize = BATCH_BYTES + BLOCK_BYTES_MAX;

impl BitswapLimits {
    /// The same, each within the range that the rest relies on.
    pub(super) fn clamped(self) -> Self {
        // What tokio's semaphores count.
        let budget_max = usize::try_from(u32::MAX / 8).expect("29 bits fit into usize");
        Self {
            wants_max: self.wants_max.clamp(1, WANTS_MAX),
            peers_max: self.peers_max.clamp(1, 1 << 20),
            streams_per_peer_max: self.streams_per_peer_max.max(1),
            inbound_bytes_max: self.inbound_bytes_max.clamp(MESSAGE_BYTES_MAX, budget_max),
            outbound_bytes_max: self.outbound_bytes_max.clamp(BATCH_BYTES_MAX, budget_max),
            reads_max: self.reads_max.clamp(1, 64),
            // A task that has not even looked at its first call is not idle.
            idle: self.idle.max(TICK),
            ..self
        }
    }
}

// A wantlist with as many cancels fits into what a peer of this code reads.
const _: () = assert!(2 * WANTS_MAX <= ITEMS_MAX);
// What goes out (blocks, and per item a CID with its head) is within what the smallest peers read.
const _: () = assert!(BATCH_BYTES_MAX + 3 * ITEMS_MAX * 64 < 2 << 20);
const _: () = assert!(BATCH_BYTES_MAX < MESSAGE_BYTES_MAX);
