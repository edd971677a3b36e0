//! The stream that this node opens to one peer, and the one message on its way.
//!
//! One stream is used for all messages; when it breaks, the same message is tried on a new one. A
//! peer that is too slow to take a message gets no second try: it would hold the room of others.
//! What is in the message is `link`'s business; what the peer says on the stream comes out as
//! [`Progress::Opened`], for a reader.

use std::{future::pending, io, time::Duration};

use bytes::Bytes;
use futures::{
    AsyncReadExt, AsyncWriteExt,
    future::BoxFuture,
    io::{ReadHalf, WriteHalf},
};
use libp2p::{PeerId, Stream};
use tokio::time::{sleep, timeout};

use super::{
    PROTOCOL, frame,
    limits::{ATTEMPTS_MAX, OPEN_DEADLINE, RETRY_PAUSE},
};
use crate::swarm::streams::Control;

/// What has become of the message, or of the stream.
pub(super) enum Progress {
    /// A new stream; this is its reading half.
    Opened(ReadHalf<Stream>),
    /// Written; whether the peer has read it is not known.
    Sent,
    /// All attempts have failed; the message is dropped.
    Failed,
}

/// The stream and its message.
pub(super) struct Outbound {
    peer: PeerId,
    control: Control,
    write_deadline: Duration,
    state: State,
    /// The message on its way.
    message: Bytes,
    attempts: u32,
}

type Written = (WriteHalf<Stream>, io::Result<()>);

enum State {
    Closed,
    Opening(BoxFuture<'static, Option<Stream>>),
    Idle(WriteHalf<Stream>),
    Writing(BoxFuture<'static, Written>),
    Closing(BoxFuture<'static, ()>),
}

impl Outbound {
    pub(super) fn new(peer: PeerId, control: Control, write_deadline: Duration) -> Self {
        let (state, message) = (State::Closed, Bytes::new());
        Self { peer, control, write_deadline, state, message, attempts: 0 }
    }

    /// Whether a message can be given to [`Outbound::send`].
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, State::Closed | State::Idle(_))
    }

    /// Whether there is a stream or a message.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    /// Sets a message on its way.
    ///
    /// # Panics
    /// When another one is on its way.
    pub(super) fn send(&mut self, message: Bytes) {
        assert!(self.is_ready(), "one message at a time");
        self.message = message;
        self.attempts = 0;
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::Idle(half) => self.writing(half),
            _ => self.opening(),
        };
    }

    /// The stream is of no use any more; a message on its way will find out by itself.
    pub(super) fn abandon(&mut self) {
        if matches!(self.state, State::Idle(_)) {
            self.state = State::Closed;
        }
    }

    /// Closes the stream in good order, if no message is on its way.
    pub(super) fn close(&mut self) {
        if let State::Idle(mut half) = std::mem::replace(&mut self.state, State::Closed) {
            let deadline = self.write_deadline;
            self.state = State::Closing(Box::pin(async move {
                // A peer that does not take the end any more will notice otherwise.
                drop(timeout(deadline, half.close()).await);
            }));
        }
    }

    /// The next progress; waits for ever when there is nothing to do. Can be dropped and called
    /// again.
    pub(super) async fn progress(&mut self) -> Progress {
        loop {
            match &mut self.state {
                State::Closed | State::Idle(_) => pending::<()>().await,
                State::Closing(closing) => {
                    closing.await;
                    self.state = State::Closed;
                }
                State::Opening(opening) => match opening.await {
                    Some(stream) => {
                        let (read_half, write_half) = stream.split();
                        self.state = self.writing(write_half);
                        return Progress::Opened(read_half);
                    }
                    None => {
                        if let Some(failed) = self.try_again() {
                            return failed;
                        }
                    }
                },
                State::Writing(writing) => match writing.await {
                    (half, Ok(())) => {
                        self.message = Bytes::new();
                        self.state = State::Idle(half);
                        return Progress::Sent;
                    }
                    (_, Err(error)) => {
                        tracing::debug!(peer = %self.peer, %error, "a message was not written");
                        if error.kind() == io::ErrorKind::TimedOut {
                            self.attempts = ATTEMPTS_MAX;
                        }
                        if let Some(failed) = self.try_again() {
                            return failed;
                        }
                    }
                },
            }
        }
    }

    fn try_again(&mut self) -> Option<Progress> {
        self.attempts += 1;
        if self.attempts < ATTEMPTS_MAX {
            self.state = self.opening();
            return None;
        }
        self.message = Bytes::new();
        self.state = State::Closed;
        Some(Progress::Failed)
    }

    fn opening(&self) -> State {
        let (peer, control) = (self.peer, self.control.clone());
        let pause = RETRY_PAUSE * self.attempts;
        State::Opening(Box::pin(async move {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            match timeout(OPEN_DEADLINE, control.open_stream(peer, PROTOCOL)).await {
                Ok(Ok(stream)) => Some(stream),
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "no Bitswap stream");
                    None
                }
                Err(_) => {
                    tracing::debug!(%peer, "no Bitswap stream in time");
                    None
                }
            }
        }))
    }

    fn writing(&self, mut half: WriteHalf<Stream>) -> State {
        let (message, deadline) = (self.message.clone(), self.write_deadline);
        State::Writing(Box::pin(async move {
            let written = timeout(deadline, frame::write(&mut half, &message)).await;
            let slow = |_| Err(io::Error::from(io::ErrorKind::TimedOut));
            (half, written.unwrap_or_else(slow))
        }))
    }
}
