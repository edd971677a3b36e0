//! Which validator the panel asks: one for as long as its process runs, then the next that is
//! ready. Whoever looks at the page sees one validator's view at a time.

use crate::control::describe;
use crate::folder::Folder;
use crate::probe;
use crate::process::{Process, State};
use crate::registry::{TestnetFile, Validator};
use node::Failure;
use node::error::UNREACHABLE;
use parking_lot::Mutex;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked at whether a process still runs while its answer is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// The validators of one testnet, and the one that is asked.
pub(super) struct Upstreams {
    folder: Folder,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Of which file the description is: it is replaced as a whole.
    version: Option<(u64, i64, i64)>,
    file: Option<Arc<TestnetFile>>,
    chosen: Option<Process>,
}

impl Upstreams {
    pub(super) fn new(folder: Folder) -> Self {
        Self { folder, known: Mutex::default() }
    }

    /// The description of the testnet as it is now; read again only when it was written again.
    ///
    /// # Errors
    /// It is gone or can't be read.
    pub(super) fn file(&self) -> Result<Arc<TestnetFile>, Failure> {
        let found = std::fs::metadata(self.folder.document()).ok();
        let version = found.map(|found| (found.ino(), found.mtime(), found.mtime_nsec()));
        let mut known = self.known.lock();
        if let Some(file) = known.file.clone().filter(|_| version.is_some())
            && known.version == version
        {
            return Ok(file);
        }
        let file = Arc::new(describe(&self.folder)?);
        (known.version, known.file) = (version, Some(file.clone()));
        Ok(file)
    }

    /// The validator to ask, but for those that have failed: the last one asked, else the first
    /// that is ready, else the first that runs.
    ///
    /// # Errors
    /// `unreachable`: none runs.
    pub(super) async fn choose(&self, failed: &[Process]) -> Result<Validator, Failure> {
        let file = self.file()?;
        let runs = |validator: &&Validator| {
            validator.process.state() == State::Running && !failed.contains(&validator.process)
        };
        let running: Vec<&Validator> = file.validators.iter().filter(runs).collect();
        let chosen = self.known.lock().chosen;
        if let Some(same) = running.iter().find(|one| Some(one.process) == chosen) {
            return Ok((*same).clone());
        }
        let mut found = running.first().copied();
        for validator in &running {
            if probe::is_ready(&validator.api).await {
                found = Some(validator);
                break;
            }
        }
        let Some(found) = found else {
            let what = "no validator of this testnet runs and answers; nothing was sent";
            return Err(Failure::new(UNREACHABLE, what)
                .help("start one: quorate-testnet start v0")
                .help(format!("quorate-testnet up --dir {}", self.folder.dir.display())));
        };
        self.known.lock().chosen = Some(found.process);
        Ok(found.clone())
    }
}

/// Returns when the process does not run any more: it has ended, or is paused.
pub(super) async fn halted(process: Process) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if process.state() != State::Running {
            return;
        }
    }
}
