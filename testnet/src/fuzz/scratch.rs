//! A folder of this process in memory or in the system's temporary one, gone when it is dropped.
//! What a killed process has left is cleared away by the next one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder of its own.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Scratch {
    /// Makes one, in memory where there is `/dev/shm`: journals sync often.
    ///
    /// # Panics
    /// When the system has no place for it.
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        Self::within(&root)
    }

    /// Makes one on disk, for large files.
    ///
    /// # Panics
    /// As [`Scratch::new`].
    pub fn on_disk() -> Self {
        Self::within(&std::env::temp_dir())
    }

    fn within(root: &Path) -> Self {
        let root = root.join("quorate-fuzz");
        clear_dead(&root);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for a fuzz target");
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one file of it.
    ///
    /// # Panics
    /// When the system has no place for it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path.join(name);
        fs::write(&path, bytes).expect("writing a file of a fuzz target");
        path
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("{} stays: {error}", self.path.display());
        }
    }
}

/// Removes the folders of processes that are gone. Another process may do the same at once.
fn clear_dead(root: &Path) {
    let process = |path: &Path| -> Option<u32> {
        path.file_name()?.to_str()?.split('-').next()?.parse().ok()
    };
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_alive = |id: u32| Path::new("/proc").join(id.to_string()).exists();
        if process(&path).is_some_and(|id| !is_alive(id)) {
            drop(fs::remove_dir_all(&path));
        }
    }
}
