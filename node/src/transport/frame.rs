//! Frames on a stream: a length, `u32` little-endian, and that many bytes. No kinds, no meaning.
//!
//! Reading compares the length with its limit before allocating, and a frame that has begun must be
//! complete within a time that grows with its length. Waiting for a frame to begin takes as long as
//! it takes. Many small frames become one write.

use super::limits::{COALESCE_BYTES_MAX, FRAME_AHEAD_BYTES_MAX, FRAME_HEADER_BYTES};
use bytes::{BufMut as _, Bytes, BytesMut};
use quinn::{ConnectionError, ReadError, RecvStream};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How slowly a frame that has begun may arrive: its bytes divided by the rate, and the grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time for any frame, however small.
    pub grace: Duration,
    /// The slowest rate, in bytes per second.
    pub rate_bytes_min: u32,
}

impl Patience {
    /// The time for a frame of `bytes` bytes.
    pub fn time(&self, bytes: usize) -> Duration {
        let bytes = u64::try_from(bytes).expect("a size fits 64 bits");
        self.grace
            + Duration::from_micros(bytes * 1_000_000 / u64::from(self.rate_bytes_min.max(1)))
    }
}

/// Why no frame could be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// The length is above the limit. Nothing was allocated.
    #[error("a frame of {bytes} bytes, and at most {max} are allowed")]
    TooLarge { bytes: usize, max: usize },
    /// The frame began and was not complete in time.
    #[error("a frame stopped after {received} bytes")]
    TooSlow { received: usize },
    /// The stream ended or was reset inside a frame.
    #[error("a stream ended inside a frame")]
    Truncated,
    /// The link broke.
    #[error(transparent)]
    Lost(#[from] ConnectionError),
}

/// Reads frames from one stream.
pub(super) struct FrameReader {
    stream: RecvStream,
    patience: Patience,
    /// Received and not yet taken: the rest of one of quinn's chunks.
    chunk: Bytes,
}

/// Bytes taken from quinn at once; only a bound, chunks are as long as packets.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

impl FrameReader {
    pub(super) fn new(stream: RecvStream, patience: Patience) -> Self {
        Self { stream, patience, chunk: Bytes::new() }
    }

    /// The next frame, or none when the stream ended in good order. The clock starts with the
    /// frame's first byte. Not to be called again after an error, nor after its future was dropped.
    pub(super) async fn next(&mut self, bytes_max: usize) -> Result<Option<Bytes>, FrameError> {
        if !self.fill().await? {
            return Ok(None);
        }
        let start = Instant::now();
        let mut header = BytesMut::with_capacity(FRAME_HEADER_BYTES);
        self.read(&mut header, FRAME_HEADER_BYTES, start + self.patience.time(0)).await?;
        let header: [u8; FRAME_HEADER_BYTES] = (&header[..]).try_into().expect("read exactly that");
        let bytes = usize::try_from(u32::from_le_bytes(header)).expect("32 bits fit a usize here");
        if bytes > bytes_max {
            return Err(FrameError::TooLarge { bytes, max: bytes_max });
        }
        let mut frame = BytesMut::with_capacity(bytes.min(FRAME_AHEAD_BYTES_MAX));
        self.read(&mut frame, bytes, start + self.patience.time(bytes)).await?;
        Ok(Some(frame.freeze()))
    }

    /// Appends to `out` until it holds `bytes` bytes.
    async fn read(
        &mut self,
        out: &mut BytesMut,
        bytes: usize,
        deadline: Instant,
    ) -> Result<(), FrameError> {
        while out.len() < bytes {
            match timeout_at(deadline, self.fill()).await {
                Err(_) => return Err(FrameError::TooSlow { received: out.len() }),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(false)) => return Err(FrameError::Truncated),
                Ok(Ok(true)) => {}
            }
            let wanted = (bytes - out.len()).min(self.chunk.len());
            out.extend_from_slice(&self.chunk.split_to(wanted));
        }
        Ok(())
    }

    /// Has at least one byte in the chunk, or says that the stream ended.
    async fn fill(&mut self) -> Result<bool, FrameError> {
        while self.chunk.is_empty() {
            match self.stream.read_chunk(CHUNK_BYTES_MAX, true).await {
                Ok(Some(chunk)) => self.chunk = chunk.bytes,
                Ok(None) => return Ok(false),
                Err(ReadError::ConnectionLost(error)) => return Err(FrameError::Lost(error)),
                Err(_) => return Err(FrameError::Truncated),
            }
        }
        Ok(true)
    }
}

/// The header of a frame of `bytes` bytes.
fn header(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("frames are limited far below 2^32")
}

/// One write's chunks for `frames`, in order: small frames and all headers are copied together,
/// large frames are passed on by reference.
pub(super) fn gather(frames: &[Bytes]) -> Vec<Bytes> {
    let copied = |frame: &Bytes| if is_small(frame) { frame.len() } else { 0 };
    let bytes = frames.iter().map(|frame| FRAME_HEADER_BYTES + copied(frame)).sum();
    let mut small = BytesMut::with_capacity(bytes);
    let mut chunks = Vec::new();
    for frame in frames {
        small.put_u32_le(header(frame.len()));
        if is_small(frame) {
            small.put_slice(frame);
        } else {
            chunks.push(small.split().freeze());
            chunks.push(frame.clone());
        }
    }
    if !small.is_empty() {
        chunks.push(small.freeze());
    }
    chunks
}

fn is_small(frame: &Bytes) -> bool {
    frame.len() <= COALESCE_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_frames_become_one_chunk_and_large_ones_are_not_copied() {
        let large = Bytes::from(vec![7; COALESCE_BYTES_MAX + 1]);
        let frames = [Bytes::from_static(b"ab"), Bytes::new(), large.clone(), b"c"[..].into()];
        let chunks = gather(&frames);
        assert_eq!(chunks[0][..], *b"\x02\0\0\0ab\0\0\0\0\x01\x10\0\0");
        assert_eq!(chunks[1].as_ptr(), large.as_ptr());
        assert_eq!(chunks[2][..], *b"\x01\0\0\0c");
        assert_eq!(chunks.len(), 3);
        assert!(gather(&[]).is_empty());
    }

    #[test]
    fn patience_grows_with_the_length() {
        let patience = Patience { grace: Duration::from_secs(5), rate_bytes_min: 1024 };
        assert_eq!(patience.time(0), Duration::from_secs(5));
        assert_eq!(patience.time(2048), Duration::from_secs(7));
    }
}
