//! One stream of the batched protocol to one peer: requests go out as they come, replies come back
//! in any order. The stream is opened with the first request and ends with the first fault; then
//! everything that was in flight has failed, and the next request opens another.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures::AsyncReadExt;
use libp2p::{PeerId, Stream};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    PROVIDERS,
    streams::{Control, OpenError},
};
use crate::batch::{self, BatchError, REPLY_BYTES_MAX};

/// Frames that wait for one peer. The query manager keeps fewer in flight, so it is never full but
/// for a bug.
pub const FRAMES_MAX: usize = 16;
/// How long opening the stream and writing one frame may take.
const WRITE_MAX: Duration = Duration::from_secs(2);

/// What a link tells the loop.
#[derive(Debug)]
pub enum LinkEvent {
    /// A frame came from this peer.
    Reply {
        /// Who.
        peer: PeerId,
        /// The frame's body, unchecked.
        body: Vec<u8>,
    },
    /// The stream has ended: what is in flight on it gets no reply.
    Down {
        /// Who.
        peer: PeerId,
        /// Which link of this peer.
        number: u64,
        /// Why.
        why: End,
    },
}

/// Why a link has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream broke, or the loop wants no more of it.
    Closed,
    /// The peer does not speak the protocol.
    Unsupported,
    /// The peer sent what is no frame, or more replies than it was asked for.
    Lied,
}

/// The loop's end of a link. Dropping it ends the link.
#[derive(Debug)]
pub struct Link {
    /// Tells this link from an earlier one of the same peer.
    pub number: u64,
    frames: mpsc::Sender<Bytes>,
}

impl Link {
    /// Starts a link as a task of `tasks`.
    pub fn start(
        tasks: &mut JoinSet<()>,
        control: Control,
        peer: PeerId,
        number: u64,
        events: mpsc::Sender<LinkEvent>,
    ) -> Self {
        let (frames_in, frames) = mpsc::channel(FRAMES_MAX);
        tasks.spawn(async move {
            let why = run(control, peer, frames, &events).await;
            // The loop is gone only at the end of the node.
            drop(events.send(LinkEvent::Down { peer, number, why }).await);
        });
        Self { number, frames: frames_in }
    }

    /// Queues a frame; `false` when the link has ended or is full.
    pub fn send(&self, frame: Bytes) -> bool {
        self.frames.try_send(frame).is_ok()
    }
}

/// Runs until a fault, and says which. Replies are counted: at most as many wait for the loop as
/// were asked for, so that a flood of them fills no memory.
async fn run(
    control: Control,
    peer: PeerId,
    mut frames: mpsc::Receiver<Bytes>,
    events: &mpsc::Sender<LinkEvent>,
) -> End {
    let Some(first) = frames.recv().await else { return End::Closed };
    let opened = timeout(WRITE_MAX, control.open_stream(peer, PROVIDERS)).await;
    let stream = match opened {
        Ok(Ok(stream)) => stream,
        Ok(Err(OpenError::Unsupported { .. })) => return End::Unsupported,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "no stream for the batched look-up");
            return End::Closed;
        }
        Err(_) => return End::Closed,
    };
    let (mut reader, mut writer) = stream.split();
    let unanswered = AtomicUsize::new(0);
    let reads = async {
        loop {
            let body = match batch::read_frame(&mut reader, REPLY_BYTES_MAX).await {
                Ok(Some(body)) => body,
                Ok(None) | Err(BatchError::Stream(_)) => return End::Closed,
                Err(_) => return End::Lied,
            };
            if unanswered.load(Ordering::Relaxed) == 0 {
                return End::Lied;
            }
            unanswered.fetch_sub(1, Ordering::Relaxed);
            if events.send(LinkEvent::Reply { peer, body }).await.is_err() {
                return End::Closed;
            }
        }
    };
    let writes = async {
        let mut next = Some(first);
        while let Some(frame) = next {
            unanswered.fetch_add(1, Ordering::Relaxed);
            if write(&mut writer, &frame).await.is_err() {
                break;
            }
            next = frames.recv().await;
        }
        End::Closed
    };
    let start = Instant::now();
    let end = tokio::select! {
        end = reads => end,
        end = writes => end,
    };
    tracing::debug!(%peer, after = ?start.elapsed(), ?end, "a stream of look-ups has ended");
    end
}

async fn write(
    writer: &mut futures::io::WriteHalf<Stream>,
    frame: &Bytes,
) -> Result<(), BatchError> {
    match timeout(WRITE_MAX, batch::write_frame(writer, frame)).await {
        Ok(written) => written,
        Err(_) => Err(BatchError::Stream(std::io::ErrorKind::TimedOut)),
    }
}
