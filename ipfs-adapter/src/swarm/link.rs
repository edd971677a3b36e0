//! One stream of the batched protocol to one peer: requests go out as they come, replies come back
//! in any order. The stream is opened with the first request and ends with the first fault; then
//! everything that was in flight has failed, and the next request opens another.

use std::time::Duration;

use bytes::Bytes;
use futures::AsyncReadExt;
use libp2p::{PeerId, Stream};
use libp2p_stream::Control;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::PROVIDERS;
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
        /// Whether the peer does not speak the protocol.
        is_unsupported: bool,
    },
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
            let is_unsupported = run(control, peer, frames, &events).await;
            // The loop is gone only at the end of the node.
            drop(events.send(LinkEvent::Down { peer, number, is_unsupported }).await);
        });
        Self { number, frames: frames_in }
    }

    /// Queues a frame; `false` when the link has ended or is full.
    pub fn send(&self, frame: Bytes) -> bool {
        self.frames.try_send(frame).is_ok()
    }
}

/// Runs until a fault; says whether the peer does not speak the protocol.
async fn run(
    mut control: Control,
    peer: PeerId,
    mut frames: mpsc::Receiver<Bytes>,
    events: &mpsc::Sender<LinkEvent>,
) -> bool {
    let Some(first) = frames.recv().await else { return false };
    let opened = timeout(WRITE_MAX, control.open_stream(peer, PROVIDERS)).await;
    let stream = match opened {
        Ok(Ok(stream)) => stream,
        Ok(Err(libp2p_stream::OpenStreamError::UnsupportedProtocol(_))) => return true,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "no stream for the batched look-up");
            return false;
        }
        Err(_) => return false,
    };
    let (mut reader, mut writer) = stream.split();
    let reads = async {
        while let Ok(Some(body)) = batch::read_frame(&mut reader, REPLY_BYTES_MAX).await {
            if events.send(LinkEvent::Reply { peer, body }).await.is_err() {
                break;
            }
        }
    };
    let writes = async {
        let mut next = Some(first);
        while let Some(frame) = next {
            if write(&mut writer, &frame).await.is_err() {
                break;
            }
            next = frames.recv().await;
        }
    };
    let start = Instant::now();
    tokio::select! {
        () = reads => {}
        () = writes => {}
    }
    tracing::debug!(%peer, after = ?start.elapsed(), "a stream of the batched look-up has ended");
    false
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
