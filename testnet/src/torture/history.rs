//! What a client did and was told, in a file of its own: one line before each request leaves, one
//! after each answer, each synced before the client goes on. The check at the end reads these files
//! and nothing that a client kept in memory.

use crate::output::io_failure;
use ledger::TransferId;
use node::Failure;
use node::error::INTERNAL;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Event {
    /// A request is about to leave with the signed bytes of these.
    Send {
        /// Since the run began, µs.
        at_us: u64,
        /// The transfers.
        ids: Vec<TransferId>,
        /// Each of them is one of two that its owner signed of one state.
        #[serde(default)]
        is_rival: bool,
    },
    /// An answer has come.
    Told {
        /// Since the run began, µs.
        at_us: u64,
        /// Status words of transfers.
        outcomes: Vec<(TransferId, String)>,
    },
    /// No answer that says what became of the transfers has come.
    Lost {
        /// Since the run began, µs.
        at_us: u64,
        /// What the client was told instead.
        why: String,
    },
}

/// A history that is being written.
pub struct History {
    path: PathBuf,
    file: File,
    start: Instant,
}

impl History {
    /// A new one of client `client` in the folder.
    ///
    /// # Errors
    /// The file is there already or can't be made.
    pub fn create(folder: &Path, client: usize, start: Instant) -> Result<Self, Failure> {
        let path = folder.join(format!("client-{client}.jsonl"));
        let failed = |error| io_failure(INTERNAL, "making", &path, &error);
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(failed)?;
        Ok(Self { path, file, start })
    }

    /// Since the run began, µs.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Writes a line and waits until no crash takes it any more.
    ///
    /// # Errors
    /// The disk fails.
    pub fn note(&mut self, event: &Event) -> Result<(), Failure> {
        let line = serde_json::to_string(event).expect("ids and words only") + "\n";
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|error| io_failure(INTERNAL, "writing", &self.path, &error))
    }
}

/// What the clients know of one transfer in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Some client was told that it is final.
    pub is_final: bool,
    /// Some client was told that it is rejected.
    pub is_rejected: bool,
    /// Its owner signed another one of the same state.
    pub is_rival: bool,
}

/// Reads all histories in the folder.
///
/// # Errors
/// One can't be read or is torn: every line was synced.
pub fn read_all(folder: &Path) -> Result<BTreeMap<TransferId, Known>, Failure> {
    let mut known: BTreeMap<TransferId, Known> = BTreeMap::new();
    let failed = |path: &Path, error| io_failure(INTERNAL, "reading", path, &error);
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let file = File::open(&path).map_err(|error| failed(&path, error))?;
        for line in BufReader::new(file).lines() {
            let line = line.map_err(|error| failed(&path, error))?;
            let event = serde_json::from_str(&line).map_err(|error| failed(&path, error.into()))?;
            take(&mut known, event);
        }
    }
    Ok(known)
}

fn take(known: &mut BTreeMap<TransferId, Known>, event: Event) {
    match event {
        Event::Send { ids, is_rival, .. } => {
            for id in ids {
                known.entry(id).or_default().is_rival |= is_rival;
            }
        }
        Event::Told { outcomes, .. } => {
            for (id, status) in outcomes {
                let of = known.entry(id).or_default();
                of.is_final |= status == "final";
                of.is_rejected |= status == "rejected";
            }
        }
        Event::Lost { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let id = |byte| TransferId(ledger::Digest([byte; 32]));
        let mut history = History::create(folder.path(), 3, Instant::now()).expect("made");
        let at_us = history.now_us();
        let events = [
            Event::Send { at_us, ids: vec![id(1), id(2), id(3)], is_rival: false },
            Event::Lost { at_us, why: "no node answers".into() },
            Event::Told { at_us, outcomes: vec![(id(1), "final".into())] },
            Event::Told { at_us, outcomes: vec![(id(2), "rejected".into())] },
            Event::Send { at_us, ids: vec![id(4)], is_rival: true },
        ];
        events.iter().for_each(|event| history.note(event).expect("written"));
        assert!(History::create(folder.path(), 3, Instant::now()).is_err(), "it is there");
        let known = read_all(folder.path()).expect("read");
        let words = |id| {
            let known: &Known = &known[&id];
            (known.is_final, known.is_rejected, known.is_rival)
        };
        assert_eq!(words(id(1)), (true, false, false));
        assert_eq!(words(id(2)), (false, true, false));
        assert_eq!(words(id(3)), (false, false, false));
        assert_eq!(words(id(4)), (false, false, true));
        let torn = folder.path().join("client-9.jsonl");
        std::fs::write(torn, "{\"op\":\"lost\",\"at").expect("written");
        assert!(read_all(folder.path()).is_err(), "a torn line is no history");
    }
}
