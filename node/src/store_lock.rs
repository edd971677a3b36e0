//! One process per home: an advisory lock on `home/lock`, which names its holder.
//!
//! The kernel releases it when the process ends, however it ends, so a stale file locks nobody out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest lock file that is read; ours has about 40 bytes.
const LOCK_FILE_BYTES_MAX: u64 = 256;

/// Why the home could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error(
        "{} is in use by process {}; stop it first",
        .home.display(),
        .pid.map_or("unknown".to_owned(), |pid| pid.to_string())
    )]
    Busy {
        /// The home asked for.
        home: PathBuf,
        /// The holder, if its file could be read.
        pid: Option<u32>,
        /// When it took the home, in seconds since 1970, if its file could be read.
        started_s: Option<u64>,
    },
    /// The lock file could not be opened or written.
    #[error("locking {}: {kind}", .home.display())]
    Io {
        /// The home asked for.
        home: PathBuf,
        /// How it failed.
        kind: io::ErrorKind,
    },
}

/// The right to write in a home, until dropped.
#[derive(Debug)]
pub struct StoreLock {
    /// Closing it releases the lock.
    _file: File,
}

impl StoreLock {
    /// Takes the home for this process; the directory must exist. Does not wait.
    ///
    /// # Errors
    /// `Busy` with the holder if another process (or another part of this one) has it; `Io`.
    pub fn acquire(home: &Path) -> Result<Self, LockError> {
        let fail =
            |error: io::Error| LockError::Io { home: home.to_path_buf(), kind: error.kind() };
        // Not truncated on opening: until it is locked, the file is the holder's.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(home.join("lock"))
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy(home, &file)),
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        let started_s =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        file.set_len(0).and_then(|()| file.rewind()).map_err(fail)?;
        writeln!(file, "pid {}\nstarted_s {started_s}", std::process::id()).map_err(fail)?;
        Ok(Self { _file: file })
    }
}

fn busy(home: &Path, file: &File) -> LockError {
    let mut text = String::new();
    // What cannot be read is not known; that the home is busy is certain.
    let is_read = file.take(LOCK_FILE_BYTES_MAX).read_to_string(&mut text).is_ok();
    let field = |name: &str| {
        text.lines()
            .filter(|_| is_read)
            .find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok())
    };
    LockError::Busy {
        home: home.to_path_buf(),
        pid: field("pid ").and_then(|pid| u32::try_from(pid).ok()),
        started_s: field("started_s "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_has_one_holder_and_names_it() {
        let home = tempfile::tempdir().expect("a directory");
        let lock = StoreLock::acquire(home.path()).expect("free");
        match StoreLock::acquire(home.path()) {
            Err(LockError::Busy { pid, started_s: Some(started_s), .. }) => {
                assert_eq!(pid, Some(std::process::id()));
                assert!(started_s > 0);
            }
            other => panic!("a second holder: {other:?}"),
        }
        drop(lock);
        assert!(StoreLock::acquire(home.path()).is_ok(), "released by dropping");
    }

    #[test]
    fn a_stale_or_foreign_file_locks_nobody_out() {
        let home = tempfile::tempdir().expect("a directory");
        std::fs::write(home.path().join("lock"), "pid 1\nstarted_s x\n").expect("written");
        assert!(StoreLock::acquire(home.path()).is_ok());
    }

    #[test]
    fn a_home_that_is_not_there_is_told() {
        let home = tempfile::tempdir().expect("a directory");
        let missing = home.path().join("none");
        let expected = LockError::Io { home: missing.clone(), kind: io::ErrorKind::NotFound };
        assert_eq!(StoreLock::acquire(&missing).expect_err("not there"), expected);
    }
}
