//! Checking a store offline: every record, every certificate, every transfer, and the sums.

use super::restore::{Parts, SNAPSHOT_KIND};
use super::{CHECKPOINT_KIND, Cause, Silence, StoreError};
use crate::index::{Engine, Index};
use crate::journal::{self, Damage};
use crate::snapshot::Snapshot;
use consensus::{CheckedCertificate, Record, Validator};
use ledger::{Keypair, Network};
use std::path::Path;
use std::sync::Arc;

/// What `quorate store verify` finds.
#[derive(Clone, Debug, Default)]
pub struct StoreReport {
    /// Distinct transfers applied.
    pub applied: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes of the index on disk.
    pub index_bytes: u64,
    /// The engine whose files these are; `None` when there is no index.
    pub index: Option<Engine>,
    /// Records in the journal.
    pub records: u64,
    /// Bytes at the journal's end that a crash left and the next start cuts.
    pub torn_bytes: u64,
    /// Why its node does not vote, whatever the journal holds; `None` when nothing forbids it.
    pub silence: Option<String>,
    /// What is wrong, in words; empty when all is well.
    pub problems: Vec<String>,
}

/// Reads the whole journal: chain of hashes, canonical form, certificates and their votes,
/// transfers against the tips, and value per asset. Changes nothing. `keypair` is the member's.
///
/// # Errors
/// Only when the files can't be read at all; what is wrong in them is in the report.
pub fn verify(
    home: &Path,
    network: &Arc<Network>,
    member: u16,
    keypair: &Keypair,
) -> Result<StoreReport, StoreError> {
    let dir = home.join("journal");
    let found = journal::verify(&dir, *network.id.bytes())?;
    let mut report = StoreReport {
        journal_bytes: found.bytes,
        index_bytes: folder_bytes(&home.join("index")),
        index: Index::engine_in(&home.join("index")),
        records: found.records,
        torn_bytes: found.torn_bytes,
        silence: silence(home),
        problems: found.problems.iter().map(Damage::to_string).collect(),
        ..StoreReport::default()
    };
    let tips = consensus::Tips::genesis(network.clone());
    let mut validator = Validator::new(network.clone(), member, keypair.clone(), tips);
    let mut problems = Vec::new();
    let mut parts = Parts::default();
    journal::read_all(&dir, *network.id.bytes(), &mut |location, kind, payload| {
        let checked = match kind {
            SNAPSHOT_KIND => check_part(&mut validator, &mut parts, network, payload),
            _ => check(&mut validator, network, kind, payload),
        };
        if let Err(problem) = checked {
            problems.push(format!("record at {location}: {problem}"));
        }
    })?;
    report.problems.extend(problems);
    let tips = validator.tips();
    report.applied = tips.applied();
    for (id, asset) in tips.assets().filter(|(_, asset)| asset.issued != asset.live) {
        let (issued, live) = (asset.issued, asset.live);
        report.problems.push(format!("asset {id}: {issued} issued and {live} live"));
    }
    Ok(report)
}

fn silence(home: &Path) -> Option<String> {
    match Silence::read(&crate::journal::System, home) {
        Ok(silence) => silence.map(|silence| silence.to_string()),
        Err(error) => Some(Silence::new(Cause::Unreadable, &error.to_string()).to_string()),
    }
}

/// A store may begin with a snapshot, which is checked whole.
fn check_part(
    validator: &mut Validator,
    parts: &mut Parts,
    network: &Arc<Network>,
    payload: &[u8],
) -> Result<(), String> {
    let bytes = parts.take(payload).map_err(|error| error.to_string())?;
    let Some(bytes) = bytes else { return Ok(()) };
    if validator.tips().applied() > 0 || validator.locks().count() > 0 {
        return Err("a snapshot after something was applied or locked".into());
    }
    let snapshot = Snapshot::from_bytes(&bytes).map_err(|error| error.to_string())?;
    let checked = snapshot.check(network).map_err(|error| error.to_string())?;
    validator.replay_tips(checked.tips);
    Ok(())
}

fn check(
    validator: &mut Validator,
    network: &Network,
    kind: u8,
    payload: &[u8],
) -> Result<(), String> {
    if kind == CHECKPOINT_KIND {
        return Ok(());
    }
    let record = Record::read(kind, payload).map_err(|error| error.to_string())?;
    let record = record.ok_or_else(|| format!("kind {kind} is not known"))?;
    if let Record::Accepted(certified) | Record::Applied(certified) = &record {
        let certificate = certified.certificate.clone();
        let checked = CheckedCertificate::check(certificate, network, &mut rand::rng())
            .map_err(|error| error.to_string())?;
        if !checked.certified().covers(&certified.bitmap) {
            return Err("transfers without a quorum in their certificate".into());
        }
    }
    validator.replay(record).map(drop).map_err(|error| error.to_string())
}

fn folder_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}
