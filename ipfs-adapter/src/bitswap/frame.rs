//! One message on a stream: its length as a varint, then its bytes.
//!
//! The length is checked before anything is allocated, and memory is taken from a budget that all
//! peers share. What the bytes mean is `message`'s business.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    limits::{MESSAGE_BYTES_MAX, SMALL_MESSAGE_BYTES},
    protobuf::{put_varint, varint},
};

/// The bytes of the longest length that is allowed, 4 MiB: 23 bits.
const LENGTH_BYTES_MAX: usize = 4;

/// Why no message could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The peer breaks the protocol: the length is over the limit or no number.
    #[error("a message over {MESSAGE_BYTES_MAX} bytes, or a bad length")]
    Oversized,
    /// A message was begun and not finished in time, or there was no room for it until then.
    #[error("a message took longer than its deadline")]
    Slow,
    #[error(transparent)]
    Stream(#[from] io::Error),
}

/// A message's bytes, and its share of the budget.
#[derive(Debug)]
pub(super) struct Frame {
    pub bytes: Bytes,
    /// Given back when the message has been handled.
    pub share: Option<Share>,
}

/// Bytes of big messages, in permits.
#[derive(Clone)]
pub(super) struct Budget {
    /// Of one peer: one longest message, so that nobody fills `all` alone.
    pub peer: Arc<Semaphore>,
    /// Of all peers together.
    pub all: Arc<Semaphore>,
}

/// A part of both.
#[derive(Debug)]
pub(super) struct Share {
    _peer: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Budget {
    /// One peer's, within what all have.
    pub(super) fn within(all: &Arc<Semaphore>) -> Self {
        Self { peer: Arc::new(Semaphore::new(MESSAGE_BYTES_MAX)), all: Arc::clone(all) }
    }

    async fn share(&self, bytes: u32) -> Result<Share, AcquireError> {
        let peer = Arc::clone(&self.peer).acquire_many_owned(bytes).await?;
        let all = Arc::clone(&self.all).acquire_many_owned(bytes).await?;
        Ok(Share { _peer: peer, _all: all })
    }
}

/// The next message; `None` when the peer has closed the stream between two. It must be there so
/// long after its first byte, which may take as long as it likes: an idle stream stays open.
pub(super) async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    budget: &Budget,
    deadline: Duration,
) -> Result<Option<Frame>, FrameError> {
    let mut head = [0; LENGTH_BYTES_MAX];
    if stream.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    let rest = timeout(deadline, read_rest(stream, head, budget));
    rest.await.map_err(|_| FrameError::Slow)?.map(Some)
}

async fn read_rest<S: AsyncRead + Unpin>(
    stream: &mut S,
    mut head: [u8; LENGTH_BYTES_MAX],
    budget: &Budget,
) -> Result<Frame, FrameError> {
    let mut count = 1;
    while head[count - 1] & 0x80 != 0 {
        if count == LENGTH_BYTES_MAX {
            return Err(FrameError::Oversized);
        }
        stream.read_exact(&mut head[count..=count]).await?;
        count += 1;
    }
    let length = varint(&head[..count]).map(|(length, _)| length);
    let length = length.and_then(|length| usize::try_from(length).ok());
    let length = length.filter(|length| *length <= MESSAGE_BYTES_MAX);
    let length = length.ok_or(FrameError::Oversized)?;
    let share = if length > SMALL_MESSAGE_BYTES {
        let count = u32::try_from(length).map_err(|_| FrameError::Oversized)?;
        Some(budget.share(count).await.map_err(|_| FrameError::Slow)?)
    } else {
        None
    };
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(Frame { bytes: Bytes::from(bytes), share })
}

/// Writes a message and flushes it.
pub(super) async fn write<S: AsyncWrite + Unpin>(stream: &mut S, message: &[u8]) -> io::Result<()> {
    let mut head = Vec::with_capacity(LENGTH_BYTES_MAX);
    put_varint(&mut head, crate::blockstore::size_of(message));
    stream.write_all(&head).await?;
    stream.write_all(message).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn budget() -> Budget {
        Budget::within(&Arc::new(Semaphore::new(MESSAGE_BYTES_MAX)))
    }

    #[tokio::test]
    async fn messages_go_there_and_back() {
        let mut stream = Cursor::new(Vec::new());
        for length in [0, 1, 127, 128, 70_000] {
            write(&mut stream, &vec![7; length]).await.expect("memory takes it");
        }
        let mut stream = Cursor::new(stream.into_inner());
        for length in [0, 1, 127, 128, 70_000] {
            let frame = read(&mut stream, &budget(), LONG).await.expect("sound").expect("there");
            assert_eq!(frame.bytes, vec![7; length]);
            assert_eq!(frame.share.is_some(), length > SMALL_MESSAGE_BYTES);
        }
        assert!(read(&mut stream, &budget(), LONG).await.expect("sound").is_none());
    }

    #[tokio::test]
    async fn an_oversized_length_is_refused_before_its_bytes() {
        let over = [0x81, 0x80, 0x80, 0x02]; // 4 MiB + 1
        for head in [&over[..], &[0xff, 0xff, 0xff, 0xff, 1], &[0x80, 0x80, 0x80, 0x80, 0]] {
            let read = read(&mut Cursor::new(head), &budget(), LONG).await;
            assert!(matches!(read, Err(FrameError::Oversized)), "{head:?}: {read:?}");
        }
    }

    #[tokio::test]
    async fn a_cut_message_is_an_error() {
        for bytes in [&[5, 1, 2][..], &[0x80]] {
            let read = read(&mut Cursor::new(bytes), &budget(), LONG).await;
            assert!(matches!(read, Err(FrameError::Stream(_))), "{bytes:?}: {read:?}");
        }
    }

    #[tokio::test]
    async fn a_message_without_room_ends_at_its_deadline() {
        let budget = Budget::within(&Arc::new(Semaphore::new(SMALL_MESSAGE_BYTES)));
        let mut bytes = vec![0x81, 0x20]; // 4,097 bytes
        bytes.resize(2 + 4_097, 0);
        let read = read(&mut Cursor::new(bytes), &budget, Duration::from_millis(20)).await;
        assert!(matches!(read, Err(FrameError::Slow)), "{read:?}");
    }
}
