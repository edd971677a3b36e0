//! Where sled's files are: a directory per life of the index, so that what sled's threads still do
//! to an old one after it was closed cannot reach the new one.
//!
//! sled 0.34 gives its file lock back some time after the last handle is dropped (seen in 1 of 100
//! reopenings); whoever opens waits for that here.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::IndexError;

/// Longest wait for sled's threads to let go of their file.
const RELEASE_WAIT_MAX: Duration = Duration::from_secs(2);
/// How often the lock is tried meanwhile; nothing tells when it is free.
const RELEASE_POLL: Duration = Duration::from_millis(1);

/// `sled-7` in `dir`, for life 7.
fn place(dir: &Path, life: u64) -> PathBuf {
    dir.join(format!("sled-{life}"))
}

/// The lives that have a directory, ascending.
fn lives(dir: &Path) -> io::Result<Vec<u64>> {
    let mut lives = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let life = name.to_str().and_then(|name| name.strip_prefix("sled-")?.parse::<u64>().ok());
        lives.extend(life);
    }
    lives.sort_unstable();
    Ok(lives)
}

/// The newest life's directory, once nobody uses it; `None` if the index was never created.
///
/// # Errors
/// `InUse` if it is still locked after two seconds; `Io`.
pub(super) fn newest(dir: &Path) -> Result<Option<PathBuf>, IndexError> {
    if !dir.exists() {
        return Ok(None);
    }
    let lives = lives(dir).map_err(IndexError::io(dir))?;
    let Some(newest) = lives.last() else { return Ok(None) };
    let place = place(dir, *newest);
    wait_released(&place)?;
    Ok(Some(place))
}

/// A fresh directory for the next life; the older ones are removed.
///
/// # Errors
/// `Io` if it cannot be created.
pub(super) fn next(dir: &Path) -> Result<PathBuf, IndexError> {
    fs::create_dir_all(dir).map_err(IndexError::io(dir))?;
    let lives = lives(dir).map_err(IndexError::io(dir))?;
    let fresh = place(dir, lives.last().map_or(0, |life| life.saturating_add(1)));
    fs::create_dir(&fresh).map_err(IndexError::io(&fresh))?;
    for old in lives {
        // sled's threads may still write there; the next life removes what is left.
        if let Err(error) = fs::remove_dir_all(place(dir, old)) {
            tracing::warn!(%error, old, "an old index could not be removed whole");
        }
    }
    Ok(fresh)
}

fn wait_released(place: &Path) -> Result<(), IndexError> {
    let path = place.join("db");
    if !path.exists() {
        return Ok(());
    }
    let file = File::open(&path).map_err(IndexError::io(&path))?;
    let deadline = Instant::now() + RELEASE_WAIT_MAX;
    loop {
        match file.try_lock() {
            // Given back as `file` is closed.
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::park_timeout(RELEASE_POLL);
            }
            Err(TryLockError::WouldBlock) => return Err(IndexError::InUse { path }),
            Err(TryLockError::Error(error)) => return Err(IndexError::io(&path)(error)),
        }
    }
}
