//! A file as a body: its bytes in order, each block hashed as it leaves the store, while later
//! blocks are still being fetched. A client that is slow slows the reading; one that is gone ends
//! it, and what was fetched stays.

use super::{Fetching, failure, stopped};
use crate::error::Failure;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use ipfs_adapter::BlockError;
use ipfs_adapter::chunks::Progress;
use ipfs_adapter::dag::{FileCursor, ReadError};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Blocks that wait for the client, 256 KiB each as a rule and 1 MiB at most.
const PIECES_MAX: usize = 4;
/// How long a client may take for one of them.
const CLIENT_TIME_MAX: Duration = Duration::from_secs(30);

/// The bytes of a file. Dropping it ends what is behind it.
pub struct Reading {
    /// The file's size.
    pub bytes: u64,
    /// What is still to come.
    left: u64,
    pieces: mpsc::Receiver<Result<Bytes, Failure>>,
    task: JoinHandle<()>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where the bytes go. The size comes before them, or the failure in its place.
struct Outlet {
    size: Option<oneshot::Sender<Result<u64, Failure>>>,
    pieces: mpsc::Sender<Result<Bytes, Failure>>,
}

/// The client is gone, or as good as that.
struct Gone;

impl Outlet {
    fn size(&mut self, bytes: u64) {
        if let Some(size) = self.size.take() {
            // Without a receiver nobody waits, and the next piece shows it.
            drop(size.send(Ok(bytes)));
        }
    }

    async fn piece(&self, bytes: Vec<u8>) -> Result<(), Gone> {
        let sent = self.pieces.send_timeout(Ok(bytes.into()), CLIENT_TIME_MAX).await;
        sent.map_err(|_| Gone)
    }

    async fn fail(&mut self, failure: Failure) {
        match self.size.take() {
            // As above.
            Some(size) => drop(size.send(Err(failure))),
            None => {
                tracing::warn!(%failure, "a file ended early");
                drop(self.pieces.send_timeout(Err(failure), CLIENT_TIME_MAX).await);
            }
        }
    }
}

impl Reading {
    /// Begins to fetch and to read; returns once the root is here.
    pub(super) async fn open(
        fetching: Fetching,
        turn: OwnedSemaphorePermit,
        wait: Duration,
    ) -> Result<Self, Failure> {
        let root = fetching.root;
        let (size_in, size) = oneshot::channel();
        let (pieces_in, pieces) = mpsc::channel(PIECES_MAX);
        let outlet = Outlet { size: Some(size_in), pieces: pieces_in };
        let task = tokio::spawn(async move {
            run(fetching, outlet).await;
            drop(turn);
        });
        let mut reading = Self { bytes: 0, left: 0, pieces, task };
        let bytes = match tokio::time::timeout(wait, size).await {
            Ok(told) => told.map_err(|_| stopped())??,
            Err(_) => return Err(failure::not_found(root)),
        };
        (reading.bytes, reading.left) = (bytes, bytes);
        Ok(reading)
    }

    /// The next bytes; `None` at the end of the file.
    ///
    /// # Errors
    /// The rest can't be had.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let next = self.pieces.recv().await;
        self.counted(next).transpose()
    }

    fn counted(&mut self, piece: Option<Result<Bytes, Failure>>) -> Option<Result<Bytes, Failure>> {
        match piece {
            Some(Ok(bytes)) => {
                let count = u64::try_from(bytes.len()).expect("a block");
                self.left = self.left.saturating_sub(count);
                Some(Ok(bytes))
            }
            // The task has died, or the node ends.
            None if self.left > 0 => {
                self.left = 0;
                Some(Err(stopped()))
            }
            other => other,
        }
    }
}

impl Body for Reading {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let piece = std::task::ready!(self.pieces.poll_recv(context));
        Poll::Ready(self.counted(piece).map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Fetches and reads side by side until all is read, or one of them can't go on.
async fn run(fetching: Fetching, mut outlet: Outlet) {
    let (progress_in, progress) = Progress::channel();
    let fetched = async {
        let fetched = fetching.run(&progress_in).await;
        // Tells the reader that no more will come.
        drop(progress_in);
        fetched
    };
    let read = read(&fetching, &mut outlet, progress);
    tokio::pin!(fetched);
    let failed = {
        tokio::pin!(read);
        tokio::select! {
            read = &mut read => read.err(),
            fetched = &mut fetched => match fetched {
                Err(error) => Some(Ended::Failed(failure::of_get(&error))),
                Ok(_) => read.await.err(),
            }
        }
    };
    if let Some(Ended::Failed(failure)) = failed {
        outlet.fail(failure).await;
    }
}

/// Why a reading ended before the file did.
enum Ended {
    Failed(Failure),
    Gone,
}

async fn read(
    fetching: &Fetching,
    outlet: &mut Outlet,
    mut progress: watch::Receiver<Progress>,
) -> Result<(), Ended> {
    let mut cursor = FileCursor::new(fetching.root);
    let mut is_fetched = false;
    loop {
        progress.borrow_and_update();
        let blocks = fetching.blocks.clone();
        let step = tokio::task::spawn_blocking(move || {
            let bytes = cursor.next_bytes(&*blocks);
            (cursor, bytes)
        });
        let (moved, bytes) = step.await.map_err(|_| Ended::Failed(stopped()))?;
        cursor = moved;
        if let Some(bytes) = cursor.file_bytes() {
            outlet.size(bytes);
        }
        match bytes {
            Ok(Some(bytes)) => outlet.piece(bytes).await.map_err(|Gone| Ended::Gone)?,
            Ok(None) => return Ok(()),
            // It is being fetched; a corrupt block is fetched anew.
            Err(ReadError::NotHeld { .. } | ReadError::Store(BlockError::Corrupt { .. }))
                if !is_fetched =>
            {
                is_fetched = progress.changed().await.is_err();
            }
            Err(error) => return Err(Ended::Failed(failure::of_read(&error))),
        }
    }
}
