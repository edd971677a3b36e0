//! How parallel, how patient: the section `[performance.chunks]` of the configuration.

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

/// Chunks at once, whatever is configured: 64 chunks are 16 MiB of memory and one yamux window.
const RETRIEVAL_COUNT: RangeInclusive<u64> = 1..=64;
/// Hashing and writing at once: more than this only fills the blocking pool of the runtime.
const UPLOAD_COUNT: RangeInclusive<u64> = 1..=32;
/// Seconds; beyond ten minutes nobody waits.
const TIMEOUT_SECS: RangeInclusive<u64> = 1..=600;
/// Backoff doubles with each, so ten are minutes.
const RETRY_COUNT: RangeInclusive<u64> = 0..=10;

/// The settings; with both limits at 1, one chunk follows the other and no second peer is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChunkConfig {
    /// Chunks fetched at once (1 to 64).
    pub max_concurrent_retrievals: u64,
    /// Chunks hashed and stored at once (1 to 32).
    pub max_concurrent_uploads: u64,
    /// How long one try of one chunk may take, whoever is asked (1 to 600 seconds).
    pub chunk_timeout_secs: u64,
    /// How often a chunk is tried again (0 to 10).
    pub retry_failed_chunks: u64,
    /// Whether peers that answered fast are asked first; else all are asked in turn.
    pub prefer_fast_peers: bool,
    /// How long one peer may take for one chunk (1 to 600 seconds).
    pub peer_response_timeout_secs: u64,
}

impl Default for ChunkConfig {
    fn default() -> Self {
        Self {
            max_concurrent_retrievals: 8,
            max_concurrent_uploads: 4,
            chunk_timeout_secs: 10,
            retry_failed_chunks: 3,
            prefer_fast_peers: true,
            peer_response_timeout_secs: 5,
        }
    }
}

/// A number out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {found}, but it is from {least} to {most}")]
pub struct ConfigError {
    /// Which setting.
    pub key: &'static str,
    /// What it says.
    pub found: u64,
    /// The least that it may be.
    pub least: u64,
    /// The most that it may be.
    pub most: u64,
}

impl ChunkConfig {
    /// Says what is out of range. What is used in spite of that is cut to the range.
    ///
    /// # Errors
    /// [`ConfigError`] names the first.
    pub fn check(&self) -> Result<(), ConfigError> {
        let all = [
            ("max_concurrent_retrievals", self.max_concurrent_retrievals, RETRIEVAL_COUNT),
            ("max_concurrent_uploads", self.max_concurrent_uploads, UPLOAD_COUNT),
            ("chunk_timeout_secs", self.chunk_timeout_secs, TIMEOUT_SECS),
            ("retry_failed_chunks", self.retry_failed_chunks, RETRY_COUNT),
            ("peer_response_timeout_secs", self.peer_response_timeout_secs, TIMEOUT_SECS),
        ];
        for (key, found, range) in all {
            if !range.contains(&found) {
                return Err(ConfigError { key, found, least: *range.start(), most: *range.end() });
            }
        }
        Ok(())
    }

    pub(crate) fn retrievals(&self) -> usize {
        count(self.max_concurrent_retrievals, RETRIEVAL_COUNT)
    }

    pub(crate) fn uploads(&self) -> usize {
        count(self.max_concurrent_uploads, UPLOAD_COUNT)
    }

    pub(crate) fn retries(&self) -> u32 {
        u32::try_from(cut(self.retry_failed_chunks, RETRY_COUNT)).expect("at most 10")
    }

    pub(crate) fn chunk_timeout(&self) -> Duration {
        Duration::from_secs(cut(self.chunk_timeout_secs, TIMEOUT_SECS))
    }

    pub(crate) fn peer_timeout(&self) -> Duration {
        Duration::from_secs(cut(self.peer_response_timeout_secs, TIMEOUT_SECS))
            .min(self.chunk_timeout())
    }
}

fn cut(found: u64, range: RangeInclusive<u64>) -> u64 {
    found.clamp(*range.start(), *range.end())
}

fn count(found: u64, range: RangeInclusive<u64>) -> usize {
    usize::try_from(cut(found, range)).expect("at most 64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_read_as_it_is_documented() {
        let text = "max_concurrent_retrievals = 1\nmax_concurrent_uploads = 2\n\
                    chunk_timeout_secs = 3\nretry_failed_chunks = 4\nprefer_fast_peers = false\n\
                    peer_response_timeout_secs = 5\n";
        let config: ChunkConfig = toml::from_str(text).expect("the section is read");
        assert_eq!(toml::to_string(&config).as_deref(), Ok(text));
        assert_eq!(config.retrievals(), 1);
        assert_eq!(config.peer_timeout(), Duration::from_secs(3), "no longer than the chunk's");
        assert_eq!(toml::from_str(""), Ok(ChunkConfig::default()));
        assert_eq!(ChunkConfig::default().check(), Ok(()));
        assert!(toml::from_str::<ChunkConfig>("max_concurrent_retrieval = 1").is_err());
        assert!(toml::from_str::<ChunkConfig>("chunk_timeout_secs = -1").is_err());
    }

    #[test]
    fn each_number_has_its_range() {
        let check = |change: fn(&mut ChunkConfig), key| {
            let mut config = ChunkConfig::default();
            change(&mut config);
            assert_eq!(config.check().map_err(|error| error.key), Err(key));
            let used = (config.retrievals(), config.uploads(), config.retries());
            assert!(used.0 >= 1 && used.0 <= 64 && used.1 >= 1 && used.1 <= 32 && used.2 <= 10);
            assert!(config.peer_timeout() >= Duration::from_secs(1));
            assert!(config.chunk_timeout() <= Duration::from_secs(600));
        };
        check(|config| config.max_concurrent_retrievals = 0, "max_concurrent_retrievals");
        check(|config| config.max_concurrent_retrievals = 65, "max_concurrent_retrievals");
        check(|config| config.max_concurrent_uploads = 0, "max_concurrent_uploads");
        check(|config| config.max_concurrent_uploads = 33, "max_concurrent_uploads");
        check(|config| config.chunk_timeout_secs = 0, "chunk_timeout_secs");
        check(|config| config.chunk_timeout_secs = u64::MAX, "chunk_timeout_secs");
        check(|config| config.retry_failed_chunks = 11, "retry_failed_chunks");
        check(|config| config.peer_response_timeout_secs = 0, "peer_response_timeout_secs");
    }
}
