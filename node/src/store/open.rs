//! Opening a store: what `start` found of the journal, the index, tips, locks. Whatever is wrong
//! with the index leads to a rebuild from the journal.

use super::applied_log::AppliedLog;
use super::recent::Recent;
use super::restore::{Parts, SNAPSHOT_KIND};
use super::silence::{self, Silence};
use super::start::{Home, Started, start};
use super::{CHECKPOINT_KIND, Store, StoreError, row};
use crate::config::StoreConfig;
use crate::index::{Checkpoint, Index, IndexError};
use crate::journal::{Damage, Disk, Journal, JournalError, Location, Options, System};
use consensus::validator::ReplayError;
use consensus::{Mode, Record, Tips, Validator};
use ledger::{AssetId, Keypair, Network, TokenId};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a store can't be opened.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OpenError {
    /// Journal, index or a record.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records make no sense together.
    #[error("the journal can't be replayed: {0}")]
    Replay(#[from] ReplayError),
    /// A join was broken off in a way that left more than it can mean.
    #[error(
        "the journal holds two snapshots, or one behind other records; nothing was changed; \
         remove the folders journal and index of the home: the node then catches up with the \
         others and never votes"
    )]
    SnapshotPlace,
    /// The permission for a first start or the mark of silence can't be read or written.
    #[error("the files `first-start` and `silent` in {}: {kind}", .home.display())]
    Mark {
        /// The node's home.
        home: PathBuf,
        /// How it failed.
        kind: io::ErrorKind,
    },
}

impl OpenError {
    pub(super) fn mark(home: &Path) -> impl Fn(io::Error) -> Self {
        move |error| OpenError::Mark { home: home.to_path_buf(), kind: error.kind() }
    }
}

impl From<JournalError> for OpenError {
    fn from(error: JournalError) -> Self {
        OpenError::Store(error.into())
    }
}

/// An open store with the validator that its journal tells.
pub struct Opened {
    /// Journal and index.
    pub store: Store,
    /// Tips and locks as they were when the journal ends. Its mode is `CatchingUp`, or `Silent`
    /// when there is a `silence`.
    pub validator: Validator,
    /// What is wrong with the journal; then nothing can be appended, and there is a `silence`.
    pub damage: Option<Damage>,
    /// Why this member never votes, if so.
    pub silence: Option<Silence>,
    /// Records replayed, and whether the index had to be rebuilt.
    pub replayed: (u64, bool),
}

/// Opens the store in `home`, or makes an empty one: silent, unless a first start is permitted
/// ([`super::first_start::permit`]) or the amnesia accepted. An index of another engine than the
/// configured one is removed and built anew.
///
/// # Errors
/// Every [`OpenError`]. A lost or damaged journal is no error here, see [`Opened::silence`].
pub fn open(
    home: &Path,
    network: &Arc<Network>,
    member: u16,
    keypair: &Keypair,
    config: &StoreConfig,
) -> Result<Opened, OpenError> {
    let (engine, accept_amnesia) = (config.index, config.vote_after_damage);
    let identity = Identity { network, member, keypair };
    let mut newest: Option<Checkpoint> = None;
    let mut evidence = Vec::new();
    let mut base_at = None;
    let disk: Arc<dyn Disk> = Arc::new(System);
    let at = Home { disk: &disk, path: home, network: &network.id, keypair };
    let mut options = Options::new(*network.id.bytes());
    options.accept_damage = accept_amnesia;
    let Started { mut journal, writer, opened, silence } =
        start(at, options, &mut |location, kind, payload| {
            if kind == SNAPSHOT_KIND && payload.starts_with(&[0; 4]) {
                // The newest that was begun: those before it were not ended.
                base_at = Some(location);
            }
            if kind == CHECKPOINT_KIND {
                newest = payload.try_into().ok().map(Checkpoint::from_bytes).or(newest);
            }
            if let Ok(Some(Record::Evidence(found))) = evidence_of(kind, payload) {
                evidence.push(found);
            }
        })?;
    journal.run(writer)?;
    let dir = home.join("index");
    let (index, newest_kept) = match Index::open(&dir, engine, newest) {
        Ok(index) => (index, newest),
        Err(IndexError::Rebuild { why }) => {
            tracing::warn!(%why, "the index is rebuilt from the journal");
            (Index::create(&dir, engine).map_err(StoreError::from)?, None)
        }
        Err(error) => return Err(StoreError::from(error).into()),
    };
    let mut is_rebuilt = newest_kept != newest;
    let mut store = assemble(journal, index);
    let from = newest_kept.and_then(|checkpoint| row::location(checkpoint.position));
    let restored = match restore(&mut store, &identity, from.unwrap_or(Location::START)) {
        Err(error) if from.is_some() => {
            // The index is only derived: what does not fit the journal goes.
            tracing::warn!(%error, "the index does not fit the journal and is rebuilt from it");
            let Store { journal, index, .. } = store;
            drop(index);
            is_rebuilt = true;
            store = assemble(journal, Index::create(&dir, engine).map_err(StoreError::from)?);
            restore(&mut store, &identity, Location::START)
        }
        other => other,
    };
    let (mut validator, records) = restored?;
    if silence.is_some() {
        validator.set_mode(Mode::Silent);
    }
    if accept_amnesia || silence::is_overridden(&System, home) {
        validator.accept_amnesia();
    }
    *store.evidence.write() = evidence;
    // A snapshot that was begun and not ended gave no lines.
    *store.base_at.lock() = base_at.filter(|_| store.has_foreign_lines().unwrap_or(true));
    let damage = opened.damage.filter(|_| !accept_amnesia);
    Ok(Opened { store, validator, damage, silence, replayed: (records, is_rebuilt) })
}

/// Who the store belongs to.
struct Identity<'a> {
    network: &'a Arc<Network>,
    member: u16,
    keypair: &'a Keypair,
}

fn assemble(journal: Journal, index: Index) -> Store {
    Store {
        journal,
        index: Mutex::new(index),
        log: AppliedLog::default(),
        open_batches: Mutex::new(HashMap::new()),
        evidence: RwLock::new(Vec::new()),
        base_at: Mutex::new(None),
        recent: Recent::default(),
    }
}

/// Loads what the index holds and replays the journal from `from` on over it.
fn restore(
    store: &mut Store,
    identity: &Identity<'_>,
    from: Location,
) -> Result<(Validator, u64), OpenError> {
    let Identity { network, member, keypair } = identity;
    let tips = load_tips(&store.index.lock(), network)?;
    store.log = AppliedLog::load(&mut store.index.lock())?;
    let validator = Validator::new((*network).clone(), *member, (*keypair).clone(), tips);
    replay(store, validator, from)
}

fn evidence_of(kind: u8, payload: &[u8]) -> Result<Option<Record>, ledger::DecodeError> {
    const EVIDENCE: u8 = 5;
    if kind == EVIDENCE { Record::read(kind, payload) } else { Ok(None) }
}

/// Takes a row's key and value; `None` when they are not what they should be.
type VisitRow<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Option<()>;

/// Genesis, with the index's rows over it.
fn load_tips(index: &Index, network: &Arc<Network>) -> Result<Tips, OpenError> {
    let mut tips = Tips::genesis(network.clone());
    let mut is_bad = false;
    let mut scan = |prefix: &[u8], visit: VisitRow<'_>| {
        index.scan_prefix(prefix, &mut |key, value| is_bad |= visit(key, value).is_none())
    };
    scan(b"a", &mut |key, value| {
        let (definition, issued) = row::read_asset(value)?;
        tips.load_asset(AssetId(row::id_of(key)?), definition, issued);
        Some(())
    })
    .map_err(StoreError::from)?;
    // First what is gone, then what lives: no sum is above the supply on the way.
    for is_ended in [true, false] {
        scan(b"k", &mut |key, value| {
            let tip = row::read_tip(value)?;
            if tip.ended_by.is_some() == is_ended {
                tips.load(TokenId(row::id_of(key)?), tip);
            }
            Some(())
        })
        .map_err(StoreError::from)?;
    }
    scan(row::COUNTERS_KEY, &mut |_, value| {
        let (applied, digest) = row::read_counters(value)?;
        tips.load_counters(applied, digest);
        Some(())
    })
    .map_err(StoreError::from)?;
    if is_bad { Err(StoreError::WrongPlace.into()) } else { Ok(tips) }
}

/// Every how many records the replay forgets the batches that are resolved.
const FORGET_RECORDS: u64 = 1_000;

/// Replays the journal from `from` on into the validator and, for what it applies, into the index.
fn replay(
    store: &Store,
    mut validator: Validator,
    from: Location,
) -> Result<(Validator, u64), OpenError> {
    let mut failed: Option<OpenError> = None;
    let mut parts = Parts::default();
    let mut records = 0;
    store.journal.scan_from(from, &mut |location, kind, payload| {
        if failed.is_none() {
            records += 1;
            failed = match kind {
                SNAPSHOT_KIND => replay_part(store, &mut validator, &mut parts, payload).err(),
                _ => replay_one(store, &mut validator, location, (kind, payload)).err(),
            };
            if records % FORGET_RECORDS == 0 {
                validator.replayed_all();
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    validator.replayed_all();
    store.forget_batches(|id| validator.proposal(id).is_some());
    Ok((validator, records))
}

/// A part of a snapshot; with the last the tips are where it says.
fn replay_part(
    store: &Store,
    validator: &mut Validator,
    parts: &mut Parts,
    payload: &[u8],
) -> Result<(), OpenError> {
    let Some(bytes) = parts.take(payload)? else { return Ok(()) };
    let has_applied = store.line_count() > 0 || validator.tips().applied() > 0;
    if has_applied || validator.locks().count() > 0 {
        return Err(OpenError::SnapshotPlace);
    }
    let network = validator.tips().network().clone();
    validator.replay_tips(store.replay_snapshot(&network, &bytes)?);
    Ok(())
}

fn replay_one(
    store: &Store,
    validator: &mut Validator,
    location: Location,
    (kind, payload): (u8, &[u8]),
) -> Result<(), OpenError> {
    let Some(record) = Record::read(kind, payload).map_err(StoreError::from)? else {
        return Ok(());
    };
    let mut at = HashMap::new();
    store.note(&record, location, &mut at)?;
    let applied = match validator.replay(record.clone()) {
        Err(ReplayError::NoBatch(id)) => {
            // It was resolved and forgotten on the way; the journal has it.
            let place = store.open_batches.lock().get(&id).copied();
            let place = place.ok_or(ReplayError::NoBatch(id))?;
            validator.replay(Record::Batch(Arc::new(store.read_batch(place)?)))?;
            validator.replay(record)?
        }
        other => other?,
    };
    store.index_applied(&applied, validator.tips(), &at)?;
    Ok(())
}
