//! A file into the local store: read in order, hashed and written in parallel, linked in order.

use std::{
    io::{self, Read},
    sync::Arc,
    time::Instant,
};

use futures::{StreamExt, stream::FuturesOrdered};
use tokio::sync::watch;

use super::{ChunkConfig, Progress, PutReport, blocking};
use crate::{
    BlockError, Blocks, Content,
    blockstore::size_of,
    dag::{Builder, FILE_BYTES_MAX, Layout},
};

/// Why a file was not put. Blocks that were stored before stay, unpinned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// The reader.
    #[error("reading the file: {0}")]
    Read(io::ErrorKind),
    /// Over [`FILE_BYTES_MAX`].
    #[error("the file has more than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// The local store, above all [`BlockError::Full`].
    #[error(transparent)]
    Store(#[from] BlockError),
    /// This node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Stores all that the reader gives as a file in chunks of 256 KiB and returns its root; the same
/// bytes have the same root in Kubo ([`Layout::KUBO`]).
///
/// At once under way are one read and `max_concurrent_uploads` chunks. Dropping the future ends
/// it; a read that blocks ends when it returns. Announcing and pinning the root is the caller's.
///
/// # Errors
/// [`PutError`].
pub async fn put(
    local: Arc<dyn Blocks>,
    reader: impl Read + Send + 'static,
    config: &ChunkConfig,
    progress: &watch::Sender<Progress>,
) -> Result<PutReport, PutError> {
    let begin = Instant::now();
    let mut reader = reader;
    let mut putting = Putting {
        local,
        builder: Builder::new(Layout::KUBO),
        progress: Progress::default(),
        bytes_read: 0,
    };
    let mut storing = FuturesOrdered::new();
    loop {
        let read = blocking(move || {
            let chunk = Layout::KUBO.read_chunk(&mut reader);
            (reader, chunk)
        });
        let (reader_back, chunk) = read.await.map_err(|_ended| PutError::Stopped)?;
        reader = reader_back;
        let chunk = chunk.map_err(|error| PutError::Read(error.kind()))?;
        if chunk.is_empty() && putting.bytes_read > 0 {
            break;
        }
        let is_end = chunk.is_empty();
        putting.count(&chunk)?;
        storing.push_back(store(Arc::clone(&putting.local), chunk));
        if storing.len() >= config.uploads() {
            let leaf = storing.next().await.expect("one was just pushed")?;
            putting.link(&leaf, progress).await?;
        }
        if is_end {
            break;
        }
    }
    while let Some(leaf) = storing.next().await {
        putting.link(&leaf?, progress).await?;
    }
    putting.finish(begin, progress).await
}

/// Hashes and stores a chunk. Begins at once, also when nobody polls.
fn store(
    local: Arc<dyn Blocks>,
    chunk: Vec<u8>,
) -> impl Future<Output = Result<Content, PutError>> + Send {
    let stored = blocking(move || {
        let leaf = Content::of(chunk).expect("a chunk is at most a block");
        local.put(&leaf).map(|()| leaf)
    });
    async { Ok(stored.await.map_err(|_ended| PutError::Stopped)??) }
}

struct Putting {
    local: Arc<dyn Blocks>,
    builder: Builder,
    progress: Progress,
    bytes_read: u64,
}

impl Putting {
    fn count(&mut self, chunk: &[u8]) -> Result<(), PutError> {
        self.bytes_read += size_of(chunk);
        if self.bytes_read > FILE_BYTES_MAX {
            return Err(PutError::TooLarge);
        }
        self.progress.chunks_known += 1;
        Ok(())
    }

    async fn link(
        &mut self,
        leaf: &Content,
        progress: &watch::Sender<Progress>,
    ) -> Result<(), PutError> {
        self.progress.chunks_done += 1;
        self.progress.bytes_done += size_of(leaf.bytes());
        let nodes = self.builder.push(leaf);
        self.store_nodes(nodes).await?;
        progress.send_replace(self.progress);
        Ok(())
    }

    async fn finish(
        mut self,
        begin: Instant,
        progress: &watch::Sender<Progress>,
    ) -> Result<PutReport, PutError> {
        let builder = std::mem::replace(&mut self.builder, Builder::new(Layout::KUBO));
        let built = builder.finish();
        self.store_nodes(built.nodes).await?;
        self.progress.bytes_total = Some(built.bytes);
        progress.send_replace(self.progress);
        let (root, bytes, blocks) = (built.root, built.bytes, self.progress.chunks_done);
        Ok(PutReport { root, bytes, blocks, elapsed: begin.elapsed() })
    }

    async fn store_nodes(&mut self, nodes: Vec<Content>) -> Result<(), PutError> {
        if nodes.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(nodes.len()).expect("at most one for each level");
        let local = Arc::clone(&self.local);
        let stored = blocking(move || nodes.iter().try_for_each(|node| local.put(node)));
        stored.await.map_err(|_ended| PutError::Stopped)??;
        self.progress.chunks_known += count;
        self.progress.chunks_done += count;
        Ok(())
    }
}
