//! CPU time of this process: the figure to compare on cores that others use, too.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// CPU time of each living thread of this process, ns, by its number: the first field of
/// `schedstat` (proc(5)). By thread, because those of an earlier pool may end in between.
pub struct Cpu(BTreeMap<OsString, u64>);

impl Cpu {
    /// As it is now.
    ///
    /// # Panics
    /// Where there is no Linux `/proc`.
    pub fn now() -> Self {
        let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
        let of = |task: std::io::Result<std::fs::DirEntry>| {
            let task = task.ok()?;
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            let spent = text.split(' ').next()?.parse().ok()?;
            Some((task.file_name(), spent))
        };
        Self(tasks.filter_map(of).collect())
    }

    /// What was spent since, ns, by all threads that live still.
    pub fn spent_ns(&self) -> u64 {
        let since = |(thread, now): (OsString, u64)| {
            now.saturating_sub(self.0.get(&thread).copied().unwrap_or_default())
        };
        Self::now().0.into_iter().map(since).sum()
    }
}
