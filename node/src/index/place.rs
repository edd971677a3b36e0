//! Where an engine's files are: a directory per life of the index, named after its engine, so that
//! what sled's threads still do to an old one after it was closed cannot reach the new one.
//!
//! sled 0.34 gives its file lock back some time after the last handle is dropped (seen in 1 of 100
//! reopenings); whoever opens waits for that here.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::error::IndexError;

/// Longest wait for the engine to let go of its file.
const RELEASE_WAIT_MAX: Duration = Duration::from_secs(2);
/// How often the lock is tried meanwhile; nothing tells when it is free.
const RELEASE_POLL: Duration = Duration::from_millis(1);

/// A life of the index, and whose it is. Lives are counted over all engines.
type Life = (u64, Engine);

/// `sled-7` in `dir`, for life 7 of the index, which was sled's.
fn place(dir: &Path, (life, engine): Life) -> PathBuf {
    dir.join(format!("{engine}-{life}"))
}

/// The lives that have a directory, ascending.
fn lives(dir: &Path) -> io::Result<Vec<Life>> {
    let mut lives = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let life = name.to_str().and_then(|name| {
            let (engine, life) = name.rsplit_once('-')?;
            Some((life.parse().ok()?, engine.parse().ok()?))
        });
        lives.extend(life);
    }
    lives.sort_unstable();
    Ok(lives)
}

/// The newest life's directory and engine, once nobody uses it; `None` if the index was never
/// created.
///
/// # Errors
/// `InUse` if it is still locked after two seconds; `Io`.
pub(super) fn newest(dir: &Path) -> Result<Option<(PathBuf, Engine)>, IndexError> {
    if !dir.exists() {
        return Ok(None);
    }
    let lives = lives(dir).map_err(IndexError::io(dir))?;
    let Some(newest) = lives.last() else { return Ok(None) };
    let (place, engine) = (place(dir, *newest), newest.1);
    wait_released(&place.join(engine.lock_file()))?;
    Ok(Some((place, engine)))
}

/// The engine of the newest life; `None` if there is none or the directory can't be read.
pub(super) fn engine(dir: &Path) -> Option<Engine> {
    lives(dir).ok()?.last().map(|newest| newest.1)
}

/// A fresh directory for the next life; the older ones are removed.
///
/// # Errors
/// `Io` if it cannot be created.
pub(super) fn next(dir: &Path, engine: Engine) -> Result<PathBuf, IndexError> {
    fs::create_dir_all(dir).map_err(IndexError::io(dir))?;
    let lives = lives(dir).map_err(IndexError::io(dir))?;
    let life = lives.last().map_or(0, |newest| newest.0.saturating_add(1));
    let fresh = place(dir, (life, engine));
    fs::create_dir(&fresh).map_err(IndexError::io(&fresh))?;
    for old in lives {
        let old = place(dir, old);
        // sled's threads may still write there; the next life removes what is left.
        match fs::remove_dir_all(&old) {
            Ok(()) => tracing::info!(old = %old.display(), "an old index was removed"),
            Err(error) => {
                let old = old.display();
                tracing::warn!(%error, %old, "an old index could not be removed whole");
            }
        }
    }
    Ok(fresh)
}

fn wait_released(path: &Path) -> Result<(), IndexError> {
    if !path.exists() {
        return Ok(());
    }
    let file = File::open(path).map_err(IndexError::io(path))?;
    let deadline = Instant::now() + RELEASE_WAIT_MAX;
    loop {
        match file.try_lock() {
            // Given back as `file` is closed.
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::park_timeout(RELEASE_POLL);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(IndexError::InUse { path: path.to_path_buf() });
            }
            Err(TryLockError::Error(error)) => return Err(IndexError::io(path)(error)),
        }
    }
}
