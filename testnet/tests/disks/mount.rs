//! File systems of a test's own, unmounted when they are dropped.

use crate::running::wait_until;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system.
pub struct Mount {
    at: PathBuf,
}

/// Runs a system program that has to succeed.
pub fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().expect("it starts");
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of a test")
}

impl Mount {
    /// A file system in memory, of this size.
    pub fn tmpfs(at: &Path, size: &str) -> Self {
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", text(at)]);
        Self { at: at.to_path_buf() }
    }

    /// ext4 on a sparse file of this size, made anew.
    pub fn image(file: &Path, at: &Path, size: &str) -> Self {
        run("truncate", &["-s", size, text(file)]);
        run("mkfs.ext4", &["-q", "-F", "-m", "0", text(file)]);
        Self::again(file, at)
    }

    /// The same on a file that holds it already.
    pub fn again(file: &Path, at: &Path) -> Self {
        std::fs::create_dir_all(at).expect("a folder");
        run("mount", &["-o", "loop", text(file), text(at)]);
        Self { at: at.to_path_buf() }
    }

    /// Unmounts it for good: nothing of it is in use any more, and no write comes after this.
    pub fn end(self) {
        let unmount = || Command::new("umount").arg("--").arg(&self.at).output();
        let look = || unmount().is_ok_and(|output| output.status.success()).then_some(());
        // On a thread of its own: this may be within a runtime already.
        let ended = std::thread::scope(|scope| scope.spawn(|| wait_until(look)).join());
        ended.expect("no panic").expect("nothing uses it any more");
        std::mem::forget(self);
    }

    /// Gives it another size.
    pub fn resize(&self, size: &str) {
        run("mount", &["-o", &format!("remount,size={size}"), text(&self.at)]);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily when something of a failed test is still in it.
        for arguments in [&["--"][..], &["-l", "--"][..]] {
            let ended = Command::new("umount").args(arguments).arg(&self.at).output();
            if ended.is_ok_and(|output| output.status.success()) {
                return;
            }
        }
        eprintln!("{} is still mounted", self.at.display());
    }
}

/// A file system on which nothing is written any more, until it is dropped.
pub struct Frozen(PathBuf);

impl Frozen {
    /// Freezes the file system at this place.
    pub fn at(at: &Path) -> Self {
        run("fsfreeze", &["-f", text(at)]);
        Self(at.to_path_buf())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let thawed = Command::new("fsfreeze").arg("-u").arg(&self.0).output();
        if !thawed.is_ok_and(|output| output.status.success()) {
            eprintln!("{} is still frozen", self.0.display());
        }
    }
}
