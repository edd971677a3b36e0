//! The wire form of messages, and the only file that knows it.
//!
//! A frame is: version (1 byte), compression (1 byte: 0 none, 1 zstd), decoded length (u32,
//! little-endian),
//! then the message's canonical bytes as they are or in one zstd frame. The decoded length is
//! checked
//! against the limit before anything is allocated, and the decompressor stops one byte above it.

use crate::limits::{
    COMPRESS_BYTES_MIN, LONG_BYTES, MESSAGE_BYTES_MAX, ZSTD_LEVEL, ZSTD_WINDOW_LOG_MAX,
};
use ledger::{Canonical, DecodeError};
use std::io::Read;

/// The protocol's version, in each frame and in the transport's ALPN.
pub const VERSION: u8 = 1;
const HEADER_BYTES: usize = 6;
/// Decoded bytes for one compressed byte, at most.
const RATIO_MAX: usize = 256;

/// Why a frame is refused (R1); its sender is blamed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter than its header.
    #[error("the frame ends within its header")]
    Short,
    /// Another protocol version.
    #[error(
        "the frame is of protocol version {0}, and this node speaks version {VERSION}; \
         upgrade the older one"
    )]
    Version(u8),
    /// A compression that is not known.
    #[error("compression {0} is not known")]
    Compression(u8),
    /// Longer than a message may be.
    #[error("the frame claims {0} bytes, and a message has at most {MESSAGE_BYTES_MAX}")]
    TooLong(usize),
    /// The length in the header is not the message's.
    #[error("the frame's length is not the one in its header")]
    Length,
    /// The compressed bytes are damaged, want too large a window, or are more than one frame.
    #[error("the compressed bytes are damaged")]
    Compressed,
    /// The message is not canonical.
    #[error("the message is refused: {0}")]
    Decode(#[from] DecodeError),
}

/// Encodes and compresses one message; the same bytes go to every peer.
///
/// # Panics
/// When the message is above its limit, which the limits of batches exclude.
pub fn encode<M: Canonical>(message: &M) -> Vec<u8> {
    let mut out = vec![0; HEADER_BYTES];
    message.write(&mut out);
    pack(out)
}

/// The frame of a [`crate::Reply::Applied`] whose batches are encoded already: each item is an
/// `AppliedBatch`'s canonical bytes. What is read from the disk need not be decoded for it.
///
/// # Panics
/// When the message is above its limit, or has more items than a reply.
pub fn encode_applied(items: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![0; HEADER_BYTES];
    crate::message::write_applied(items, &mut out);
    pack(out)
}

/// Compresses what follows the header, and fills the header in.
fn pack(mut out: Vec<u8>) -> Vec<u8> {
    let decoded = out.len() - HEADER_BYTES;
    assert!(decoded <= MESSAGE_BYTES_MAX, "limits of batches keep messages below theirs");
    if decoded >= COMPRESS_BYTES_MIN {
        let packed = zstd::bulk::compress(&out[HEADER_BYTES..], ZSTD_LEVEL)
            .expect("compressing into memory cannot fail");
        if packed.len() < decoded && is_plausible(packed.len(), decoded) {
            out.truncate(HEADER_BYTES);
            out.extend_from_slice(&packed);
            out[1] = 1;
        }
    }
    out[0] = VERSION;
    let length = u32::try_from(decoded).expect("below the limit of messages");
    out[2..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    out
}

/// Decodes one frame; exactly one message, in canonical form.
///
/// # Errors
/// Every [`FrameError`].
pub fn decode<M: Canonical>(frame: &[u8]) -> Result<M, FrameError> {
    let (header, body) = frame.split_at_checked(HEADER_BYTES).ok_or(FrameError::Short)?;
    if header[0] != VERSION {
        return Err(FrameError::Version(header[0]));
    }
    let length = [header[2], header[3], header[4], header[5]];
    let length = usize::try_from(u32::from_le_bytes(length)).expect("32 bits fit a usize here");
    if length > MESSAGE_BYTES_MAX {
        return Err(FrameError::TooLong(length));
    }
    match header[1] {
        0 if body.len() != length => Err(FrameError::Length),
        0 => Ok(M::from_bytes(body)?),
        1 => Ok(M::from_bytes(&decompress(body, length)?)?),
        other => Err(FrameError::Compression(other)),
    }
}

/// How many bytes a frame claims to be once it is decoded; what it takes itself where it claims
/// nothing that could be.
pub fn claimed_bytes(frame: &[u8]) -> usize {
    let claimed = frame.get(2..HEADER_BYTES).and_then(|length| length.try_into().ok());
    let claimed = claimed.map(|length| usize::try_from(u32::from_le_bytes(length)));
    match claimed {
        Some(Ok(bytes)) if bytes <= MESSAGE_BYTES_MAX => bytes.max(frame.len()),
        _ => frame.len(),
    }
}

/// Whether a message of so many bytes takes long to decode: it counts against what its sender may
/// send of such, see [`crate::Validator::may_send`].
pub fn is_long(bytes: usize) -> bool {
    bytes > LONG_BYTES
}

/// What shrinks to less than a 256th goes as it is (a split into thousands of equal tokens would),
/// so that
/// a frame that claims to is a bomb and is refused before anything is allocated for it.
fn is_plausible(packed: usize, decoded: usize) -> bool {
    decoded / RATIO_MAX <= packed
}

fn decompress(body: &[u8], length: usize) -> Result<Vec<u8>, FrameError> {
    if !is_plausible(body.len(), length) {
        return Err(FrameError::Compressed);
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body)
        .map_err(|_| FrameError::Compressed)?
        .single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|_| FrameError::Compressed)?;
    let mut out = Vec::with_capacity(length + 1);
    let limit = u64::try_from(length).expect("below the limit of messages") + 1;
    decoder.by_ref().take(limit).read_to_end(&mut out).map_err(|_| FrameError::Compressed)?;
    if out.len() != length {
        return Err(FrameError::Length);
    }
    if !decoder.finish().is_empty() {
        return Err(FrameError::Compressed);
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
