//! A small file in a node's home, on any disk, of which a crash leaves the old bytes or the new
//! ones. Each call is durable when it returns, also when it finds its work done: what a killed
//! process has done before may not be on the disk yet.

use crate::journal::Disk;
use std::io;
use std::path::Path;

/// The bytes of the file, at most `bytes_max` of them; `None` when there is none.
pub(super) fn read(disk: &dyn Disk, path: &Path, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = vec![0; bytes_max];
    let mut filled = 0;
    while filled < bytes.len() {
        let offset = u64::try_from(filled).expect("a small file");
        match file.read_at(&mut bytes[filled..], offset)? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(Some(bytes))
}

/// Makes the file, unless there is one: then that one stays.
pub(super) fn keep(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    if !disk.exists(path) {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let unfinished = path.with_file_name(format!(".{name}.new"));
        let file = disk.create(&unfinished)?;
        file.write_at(bytes, 0)?;
        file.sync()?;
        disk.rename(&unfinished, path)?;
    }
    sync_home(disk, path)
}

/// Gives the file another name, if there is one.
pub(super) fn rename(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    if disk.exists(from) {
        disk.rename(from, to)?;
    }
    sync_home(disk, to)
}

/// Removes the file, if there is one.
pub(super) fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_home(disk, path),
    }
}

fn sync_home(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.sync_dir(path.parent().unwrap_or(Path::new("/")))
}
