//! Blocks of a daemon. What it returns is hashed here: a daemon is not believed.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::{
    Kubo,
    answer::{id_of, says, says_not_found},
    client::{Call, within},
};
use crate::{
    BLOCK_BYTES_MAX, BlockStat, Codec, Content, ContentError, ContentId, IpfsError,
    kubo::CHUNK_BYTES,
};

/// What is left of a deadline for the daemon's own "I did not find it" to arrive.
const WORD_LATEST: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Block {
    key: String,
    size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Added {
    hash: String,
}

impl Kubo {
    pub(super) async fn put_block(&self, content: Content) -> Result<(), IpfsError> {
        let id = content.id();
        let codec = match id.codec() {
            Codec::Raw => "raw",
            Codec::DagPb => "dag-pb",
        };
        let call = Call::new("block/put")
            .with("cid-codec", codec)
            .with("mhtype", "sha2-256")
            .with("pin", false)
            .with_body(content.into_bytes());
        let work = async {
            let block: Block = self.client.open(call).await?.json().await?;
            let put = id_of(&block.key).map_err(|_| IpfsError::Nonsense { call: "block/put" })?;
            if put == id { Ok(()) } else { Err(IpfsError::Corrupt { id }) }
        };
        within(self.client.timeout, work).await
    }

    pub(super) async fn local_block(&self, id: ContentId) -> Result<Option<Content>, IpfsError> {
        let call = Call::new("block/get").with("arg", id).with("offline", true);
        match within(self.client.timeout, self.block(id, call)).await {
            Err(error) if says_not_found(&error) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The daemon is told to give up a little before the deadline: IPFS knows no "nobody has it",
    /// only an end of the search, and its word for that is to be told from a dead daemon.
    pub(super) async fn any_block(
        &self,
        id: ContentId,
        deadline: Duration,
    ) -> Result<Option<Content>, IpfsError> {
        let search = deadline - (deadline / 4).min(WORD_LATEST);
        let call = Call::new("block/get")
            .with("arg", id)
            .with("timeout", format!("{}ms", search.as_millis().max(1)));
        match within(deadline, self.block(id, call)).await {
            Err(error) if says_not_found(&error) || says(&error, "deadline exceeded") => Ok(None),
            other => other.map(Some),
        }
    }

    async fn block(&self, id: ContentId, call: Call) -> Result<Content, IpfsError> {
        let bytes = self.client.open(call).await?.bytes(BLOCK_BYTES_MAX).await?;
        Content::claimed(id, bytes).map_err(|error| match error {
            ContentError::Mismatch { .. } => IpfsError::Corrupt { id },
            ContentError::TooLarge { .. } => IpfsError::Nonsense { call: "block/get" },
        })
    }

    pub(super) async fn local_stat(&self, id: ContentId) -> Result<Option<BlockStat>, IpfsError> {
        let call = Call::new("block/stat").with("arg", id).with("offline", true);
        let work = async { self.client.open(call).await?.json::<Block>().await };
        match within(self.client.timeout, work).await {
            Ok(block) => Ok(Some(BlockStat { bytes: block.size })),
            Err(error) if says_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds a file as `ipfs add --cid-version 1 --raw-leaves` does, in chunks of 256 KiB, and pins
    /// its root. A file of one chunk is compared with the id that comes back; of a longer one only
    /// the kind is, for that the id is the root's would need the whole DAG.
    ///
    /// # Errors
    /// [`IpfsError::Corrupt`] when the id is not that of the bytes; as every call.
    pub async fn add(&self, bytes: Bytes, deadline: Duration) -> Result<ContentId, IpfsError> {
        let is_one_chunk = bytes.len() <= CHUNK_BYTES;
        let raw = is_one_chunk.then(|| ContentId::of(&bytes));
        let nonsense = IpfsError::Nonsense { call: "add" };
        let call = Call::new("add")
            .with("cid-version", 1)
            .with("raw-leaves", true)
            .with("chunker", format!("size-{CHUNK_BYTES}"))
            .with("pin", true)
            .with("progress", false)
            .with_body(bytes);
        let work = async {
            let mut lines = self.client.open(call).await?.lines();
            let added: Added = lines.next().await?.ok_or_else(|| nonsense.clone())?;
            let root = id_of(&added.hash).map_err(|_| nonsense.clone())?;
            // The end, so that a failure behind the line is seen.
            if lines.next::<Added>().await?.is_some() {
                return Err(nonsense);
            }
            match raw {
                Some(id) if root == id => Ok(id),
                Some(id) => Err(IpfsError::Corrupt { id }),
                None if root.codec() == Codec::DagPb => Ok(root),
                None => Err(nonsense),
            }
        };
        within(deadline, work).await
    }
}
