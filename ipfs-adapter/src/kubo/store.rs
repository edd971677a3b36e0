//! A daemon's blocks where a store of blocks is wanted: files in chunks are put into it, got
//! through it and read from it like from the store on this disk.
//!
//! [`Blocks`] is called where blocking is allowed; each call here is one to three calls to the
//! daemon, made on the runtime on which [`Kubo::connect`] was called.

use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt};
use serde::Deserialize;

use super::{
    Kubo,
    client::{Call, within},
};
use crate::{
    BlockError, Blocks, Content, ContentId, FetchError, IpfsError, PeerId, Usage,
    chunks::BlockSource,
};

/// The blocks of a daemon.
pub struct KuboBlocks {
    kubo: Arc<Kubo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Removed {
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Repository {
    repo_size: u64,
    num_objects: u64,
    storage_max: u64,
}

impl KuboBlocks {
    /// Those of this daemon.
    pub fn new(kubo: Arc<Kubo>) -> Self {
        Self { kubo }
    }

    fn wait<T>(&self, call: impl Future<Output = Result<T, IpfsError>>) -> Result<T, BlockError> {
        Ok(self.kubo.runtime.block_on(call)?)
    }
}

impl Blocks for KuboBlocks {
    fn put(&self, content: &Content) -> Result<(), BlockError> {
        let id = content.id();
        self.wait(async {
            // What was got through the daemon is there already; asking costs less than sending.
            match self.kubo.local_stat(id).await? {
                Some(_) => Ok(()),
                None => self.kubo.put_block(content.clone()).await,
            }
        })
    }

    fn get(&self, id: ContentId) -> Result<Option<Content>, BlockError> {
        self.wait(self.kubo.local_block(id))
    }

    fn size(&self, id: ContentId) -> Result<Option<u64>, BlockError> {
        self.wait(async { Ok(self.kubo.local_stat(id).await?.map(|stat| stat.bytes)) })
    }

    fn remove(&self, id: ContentId) -> Result<bool, BlockError> {
        let removed = self.wait(async {
            if self.kubo.local_stat(id).await?.is_none() {
                return Ok(None);
            }
            let work = async {
                let call = Call::new("block/rm").with("arg", id);
                self.kubo.client.open(call).await?.json::<Removed>().await
            };
            Ok(Some(within(self.kubo.client.timeout, work).await?))
        })?;
        match removed {
            None => Ok(false),
            Some(Removed { error }) if error.is_empty() => Ok(true),
            Some(_) => Err(BlockError::Pinned { id }),
        }
    }

    /// The daemon's own figures; all 0 when it does not tell them.
    fn usage(&self) -> Usage {
        let repository = self.wait(async {
            let call = Call::new("repo/stat");
            let work = async { self.kubo.client.open(call).await?.json::<Repository>().await };
            within(self.kubo.client.timeout, work).await
        });
        match repository {
            Ok(Repository { repo_size, num_objects, storage_max }) => {
                Usage { count: num_objects, bytes: repo_size, bytes_max: storage_max }
            }
            Err(_) => Usage { count: 0, bytes: 0, bytes_max: 0 },
        }
    }
}

/// One holder, the daemon itself: whoever has a block, it comes through it.
impl BlockSource for Kubo {
    fn holders(&self, _root: ContentId) -> BoxFuture<'_, Result<Vec<PeerId>, FetchError>> {
        async { Ok(vec![self.identity().await.map_err(|error| fetch_error(&error))?.peer]) }.boxed()
    }

    fn fetch(
        &self,
        _peer: PeerId,
        id: ContentId,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Content, FetchError>> {
        async move {
            let found = self.any_block(id, deadline).await;
            found.map_err(|error| fetch_error(&error))?.ok_or(FetchError::DontHave)
        }
        .boxed()
    }
}

fn fetch_error(error: &IpfsError) -> FetchError {
    match *error {
        IpfsError::Timeout { after_ms } => FetchError::Timeout { after_ms },
        IpfsError::Busy { .. } => FetchError::Busy,
        IpfsError::Stopped => FetchError::Closed,
        IpfsError::Corrupt { .. } | IpfsError::Nonsense { .. } => FetchError::Corrupt,
        _ => FetchError::Unreachable,
    }
}
