//! Every bound of the transport with its unit and reason, and asserts between them.
//!
//! Times are in [`super::Timings`], because tests shorten them; sizes and counts are here, because
//! both ends of a link must agree on them.

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Members of a committee. Seven are planned; links, queues and snapshots are per member.
pub const MEMBERS_MAX: usize = 64;

/// Bytes of the largest batch that a frame carries.
pub const BATCH_BYTES_MAX: usize = 8 * MIB;

/// Bytes of a frame without its header: a batch, its certificates and an envelope.
pub const FRAME_BYTES_MAX: usize = 9 * MIB;

/// Bytes of the length, `u32` little-endian, in front of every frame, request and reply.
pub const FRAME_HEADER_BYTES: usize = 4;

/// Bytes that a reader allocates on the sender's word alone; beyond it, memory follows what
/// arrived.
pub const FRAME_AHEAD_BYTES_MAX: usize = 512 * KIB;

/// Bytes of a request. It names what is missing; the answer is the large part.
pub const REQUEST_BYTES_MAX: usize = MIB;

/// Bytes of a reply.
pub const REPLY_BYTES_MAX: usize = 16 * MIB;

/// Requests under way on one link, in each direction.
pub const REQUESTS_PER_PEER_MAX: usize = 16;

/// Bytes that a peer may send on one stream before they are read: one frame, so that a batch
/// arrives while its reader is busy, and no more.
pub const STREAM_WINDOW_BYTES: usize = FRAME_BYTES_MAX + FRAME_HEADER_BYTES;

/// Bytes that a peer may send on all streams of its link before they are read: a consensus stream
/// whose reader pauses must leave room for replies.
pub const LINK_WINDOW_BYTES: usize = 2 * STREAM_WINDOW_BYTES;

/// Bytes sent and not yet acknowledged on one link.
pub const SEND_WINDOW_BYTES: usize = STREAM_WINDOW_BYTES;

/// Frames that wait for one peer. A vote is about 200 bytes, so this many are 1.6 MiB.
pub const OUTBOX_FRAMES_MAX: usize = 8192;

/// Bytes that wait for one peer, besides one write of at most [`WRITE_BYTES_MAX`] or one frame. The
/// bytes are shared by all peers, so seven full queues hold the memory of one.
pub const OUTBOX_BYTES_MAX: usize = 24 * MIB;

/// Bytes taken from the outbox for one write; a larger frame goes alone.
pub const WRITE_BYTES_MAX: usize = 512 * KIB;

/// Frames taken from the outbox for one write.
pub const WRITE_FRAMES_MAX: usize = 512;

/// Bytes up to which a frame is copied beside its neighbours; above, it is passed on by reference.
pub const COALESCE_BYTES_MAX: usize = 4 * KIB;

/// KiB of one peer's frames that wait for the validator: two of the largest. Above it, reading from
/// that peer pauses, or a thousand waiting frames could be 9 GiB.
pub const WAITING_KIB_MAX: usize = 2 * (FRAME_BYTES_MAX / KIB + WAITING_FRAME_KIB);

/// KiB that a frame counts besides its bytes, so that few small frames of one peer wait: 280, which
/// is what honest ones are delayed by.
pub const WAITING_FRAME_KIB: usize = 64;

/// Handshakes under way from addresses that no member has.
pub const HANDSHAKES_STRANGERS_MAX: usize = 32;

/// Handshakes under way in all: the rest is kept for members' addresses.
pub const HANDSHAKES_MAX: usize = 96;

/// Handshakes under way above which an address must first prove that it receives (QUIC Retry).
pub const HANDSHAKES_RETRY_ABOVE: usize = 8;

/// First packets that wait for the accept task.
pub const INCOMING_MAX: usize = 256;

/// Bytes kept for one of them; a ClientHello takes one datagram.
pub const INCOMING_BYTES_MAX: u64 = 16 * 1024;

/// Bytes kept for all of them.
pub const INCOMING_BYTES_TOTAL_MAX: u64 = 1024 * 1024;

/// Bytes of a transport certificate; ours take about 360.
pub const CERTIFICATE_BYTES_MAX: usize = KIB;

/// Bytes of the largest UDP payload that is probed for (quinn's own default). Measured with
/// `transport::multicast/kib=256 peers=6 threads=1`, dev profile, 2 vCPUs, two runs each,
/// alternating: 1452 took 2.3 and 2.4 ms, 8000 took 72 and 43 ms.
pub const UDP_PAYLOAD_BYTES_MAX: u16 = 1452;

const _: () = assert!(FRAME_BYTES_MAX >= BATCH_BYTES_MAX + 512 * KIB);
const _: () = assert!(STREAM_WINDOW_BYTES >= FRAME_BYTES_MAX);
const _: () = assert!(LINK_WINDOW_BYTES >= STREAM_WINDOW_BYTES + REQUEST_BYTES_MAX);
const _: () = assert!(OUTBOX_BYTES_MAX >= 2 * FRAME_BYTES_MAX);
const _: () = assert!(OUTBOX_BYTES_MAX > WRITE_BYTES_MAX);
const _: () = assert!(COALESCE_BYTES_MAX < WRITE_BYTES_MAX);
const _: () = assert!(FRAME_AHEAD_BYTES_MAX <= FRAME_BYTES_MAX);
const _: () = assert!(WAITING_KIB_MAX * KIB >= 2 * FRAME_BYTES_MAX && WAITING_KIB_MAX < 32 * 1024);
const _: () = assert!(HANDSHAKES_RETRY_ABOVE < HANDSHAKES_STRANGERS_MAX);
const _: () = assert!(HANDSHAKES_STRANGERS_MAX + MEMBERS_MAX <= HANDSHAKES_MAX);
const _: () = assert!(HANDSHAKES_MAX <= INCOMING_MAX);
const _: () = assert!(UDP_PAYLOAD_BYTES_MAX < 9000, "shared/LIMITS.md: falls back or hangs");
