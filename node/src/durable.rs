//! Writing files so that a crash leaves the old bytes or the new ones, never a part.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells apart the unfinished files of this process.
static UNFINISHED: AtomicU64 = AtomicU64::new(0);

/// Replaces `path` by a file with these bytes, mode 0600, durably: once it returns, neither a kill
/// nor a power cut brings back what was there before.
///
/// # Errors
/// What the file system says; `path` is then as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_soon(path, bytes)?;
    sync_folder_of(path)
}

/// The same without waiting for the folder: a power cut may bring back what was there before, as
/// whole as it was. For what only says that something is over.
///
/// # Errors
/// What the file system says; `path` is then as it was.
pub fn replace_soon(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let number = UNFINISHED.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let unfinished = path.with_file_name(format!(".{name}.{}.{number}", std::process::id()));
    let written =
        write_synced(&unfinished, bytes).and_then(|()| std::fs::rename(&unfinished, path));
    if written.is_err() {
        // Best effort: a leftover is named like no file that is ever read.
        drop(std::fs::remove_file(&unfinished));
    }
    written
}

/// Copies a file, mode 0600, durably and whole, whatever its size.
///
/// # Errors
/// What the file system says; `to` is then as it was.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let number = UNFINISHED.fetch_add(1, Ordering::Relaxed);
    let name = to.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let unfinished = to.with_file_name(format!(".{name}.{}.{number}", std::process::id()));
    let copied = create(&unfinished)
        .and_then(|mut file| io::copy(&mut source, &mut file).and_then(|_bytes| file.sync_all()))
        .and_then(|()| rename(&unfinished, to));
    if copied.is_err() {
        // As above.
        drop(std::fs::remove_file(&unfinished));
    }
    copied
}

/// Gives a file of one folder another name there, durably; a file of that name is replaced.
///
/// # Errors
/// What the file system says.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Removes a file, durably. One that is not there is no error, and its absence is durable then.
///
/// # Errors
/// What the file system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_folder_of(path),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Makes the names in a file's folder durable.
///
/// # Errors
/// What the file system says.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        for bytes in [&b"one"[..], b"two"] {
            replace(&path, bytes).expect("replaced");
            assert_eq!(std::fs::read(&path).expect("there"), bytes);
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert!(replace(&folder.path().join("none/file"), b"x").is_err());
    }

    #[test]
    fn a_file_is_renamed_over_another_and_removed_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::write(&to, b"old").expect("written");
        assert!(rename(&from, &to).is_err(), "it is not there");
        std::fs::write(&from, b"new").expect("written");
        rename(&from, &to).expect("renamed");
        assert_eq!(std::fs::read(&to).expect("there"), b"new");
        remove(&to).expect("removed");
        remove(&to).expect("it is gone already");
        assert!(!to.exists());
    }
}
