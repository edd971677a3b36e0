//! The journal's files, changed in every way: what is read is always a beginning of what was
//! written, one change is never taken for a whole journal that is shorter, opening and verifying
//! agree, and a journal that opens goes on. With checksums made good again after the change, or in
//! files of arbitrary bytes, only: no panic, and as many records as are told.

use super::Target;
use super::fixture;
use super::scratch::Scratch;
use super::script::Script;
use node::journal::{Journal, JournalError, Options, read_all, verify};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// The target.
pub const TARGET: Target =
    Target { name: "journal", check, seeds, bytes_max: 2 * 1024, memory_max: (64 << 20, 64) };

/// Bytes of a page, and of the three before the first record.
const PAGE_BYTES: usize = 4_096;
/// Small segments, so that there are several.
const SEGMENT_BYTES: u64 = 3 * 4_096 + 1_000;
/// Most changes of one journal.
const CHANGES_MAX: usize = 4;
/// How long the disk may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One record: its kind and payload.
type Record = (u8, Vec<u8>);

/// The journal to start from: what is in it, and its files by name.
struct Written {
    records: Vec<Record>,
    files: Vec<(String, Vec<u8>)>,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let scratch = Scratch::new();
    let records: Vec<Record> =
        (1..8u8).map(|kind| (kind, vec![kind; usize::from(kind) * 40])).collect();
    let (journal, _) = open(scratch.path(), true, false).expect("a new journal");
    for (kind, payload) in &records {
        append(&journal, *kind, payload);
    }
    journal.close().expect("a good disk");
    let mut files = read_files(scratch.path());
    files.sort();
    Written { records, files }
});

fn network() -> [u8; 32] {
    let mut id = [0; 32];
    id.copy_from_slice(&fixture::network().id.0.0);
    id
}

fn open(
    dir: &Path,
    create: bool,
    accept_damage: bool,
) -> Result<(Journal, Vec<Record>), JournalError> {
    let mut seen = Vec::new();
    let mut options = Options::new(network());
    (options.create, options.accept_damage) = (create, accept_damage);
    options.segment_bytes = SEGMENT_BYTES;
    let (journal, opened) =
        Journal::open(dir, options, &mut |_, kind, payload| seen.push((kind, payload.to_vec())))?;
    let count = u64::try_from(seen.len()).expect("a few");
    assert_eq!(opened.records, count, "as many as it says");
    Ok((journal, seen))
}

fn append(journal: &Journal, kind: u8, payload: &[u8]) {
    let ticket = journal.append(kind, payload.to_vec()).expect("there is room");
    let until = Instant::now() + PATIENCE;
    journal.wait_durable(ticket.sequence, until).expect("the disk takes it");
    let read = journal.read(ticket.location).expect("it was just written");
    assert_eq!(read, (kind, payload.to_vec()));
}

fn read_files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).expect("a folder of ours").flatten();
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, fs::read(entry.path()).expect("a file of ours"))
    };
    entries.map(read).collect()
}

/// A journal and what happens to its files.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    let mut files = WRITTEN.files.clone();
    let kind = script.byte();
    let changes = match kind % 4 {
        3 => {
            arbitrary(&mut files, &mut script);
            usize::MAX
        }
        _ => {
            let changes = 1 + script.below(CHANGES_MAX);
            (0..changes).for_each(|_| change(&mut files, &mut script));
            changes
        }
    };
    let is_forged = kind % 4 >= 2;
    if is_forged {
        files.iter_mut().for_each(|(_, bytes)| forge(bytes));
    }
    let scratch = Scratch::new();
    for (name, bytes) in &files {
        scratch.write(name, bytes);
    }
    looked_at(scratch.path(), is_forged, changes);
}

fn looked_at(dir: &Path, is_forged: bool, changes: usize) {
    let mut seen = Vec::new();
    let read =
        read_all(dir, network(), &mut |_, kind, payload| seen.push((kind, payload.to_vec())));
    if !is_forged {
        assert!(WRITTEN.records.starts_with(&seen), "what is read was written, in that order");
    }
    let verified = verify(dir, network());
    let opened = open(dir, false, false);
    match (&verified, &opened) {
        (Ok(report), Ok((journal, found))) => {
            assert_eq!(found, &seen, "opening and reading find the same");
            let is_whole = report.problems.is_empty();
            assert_eq!(is_whole, is_open(journal), "opening and verifying agree: {report:?}");
            let is_short = found.len() < WRITTEN.records.len();
            assert!(is_forged || changes > 1 || !is_short || !is_whole, "a loss without a word");
        }
        (Err(_), Err(_)) | (Ok(_), Err(JournalError::Missing { .. })) => {}
        // Of another network or format behind the first damage, where opening does not look.
        (Err(_), Ok((journal, _))) => assert!(is_forged && !is_open(journal)),
        (Ok(report), Err(error)) => panic!("{error} of what verifies as {report:?}"),
    }
    if read.is_err() || opened.is_err() {
        return;
    }
    let is_damaged = opened.is_ok_and(|(journal, _)| !is_open(&journal));
    goes_on(dir, &seen, is_damaged);
}

/// Whether it takes records.
fn is_open(journal: &Journal) -> bool {
    match journal.append(9, vec![0; 20 << 20]) {
        Err(JournalError::TooLarge { .. }) => true,
        Err(JournalError::Damaged(_)) => false,
        other => panic!("a record above the limit gives {other:?}"),
    }
}

/// With its damage accepted, it holds what could be read, and takes more.
fn goes_on(dir: &Path, seen: &[Record], is_damaged: bool) {
    let Ok((journal, found)) = open(dir, false, is_damaged) else { return };
    assert_eq!(found, seen, "what is valid stays");
    append(&journal, 99, b"more");
    journal.close().expect("a good disk");
    let (journal, found) = open(dir, false, false).expect("it opens again");
    assert!(is_open(&journal), "damage is accepted once");
    let (last, before) = found.split_last().expect("it holds one more");
    assert_eq!((before, last), (seen, &(99, b"more".to_vec())));
}

/// One change of one file.
fn change(files: &mut Vec<(String, Vec<u8>)>, script: &mut Script<'_>) {
    if files.is_empty() {
        return;
    }
    let file = script.below(files.len());
    let bytes = &mut files[file].1;
    // A page, and a place in it: most of a segment is zeros.
    let at = PAGE_BYTES * usize::from(script.byte() % 4) + usize::from(script.number() % 1_024);
    let at = at.min(bytes.len().saturating_sub(1));
    match script.byte() % 10 {
        0..3 if !bytes.is_empty() => bytes[at] ^= 1 << (script.byte() % 8),
        3 => bytes.truncate(at),
        4 => drop(files.remove(file)),
        5 => {
            let other = script.below(files.len());
            let name = files[other].0.clone();
            files[other].0 = std::mem::replace(&mut files[file].0, name);
        }
        6 => {
            let page = at / PAGE_BYTES * PAGE_BYTES;
            let end = (page + PAGE_BYTES).min(bytes.len());
            bytes[page..end].fill(0);
        }
        7 if bytes.len() > 3 * PAGE_BYTES => {
            let (odd, even) = (2 * PAGE_BYTES, PAGE_BYTES);
            bytes.copy_within(even..even + 89, odd);
        }
        8 => {
            let piece = script.piece();
            let end = (at + piece.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&piece[..end - at]);
        }
        _ => {
            let piece = script.piece();
            bytes.splice(at..at, piece.iter().copied());
        }
    }
}

/// Segments of the script's bytes, each under one of the names that segments have.
fn arbitrary(files: &mut Vec<(String, Vec<u8>)>, script: &mut Script<'_>) {
    files.clear();
    for number in 0..=script.below(2) {
        let mut bytes = vec![0; 3 * PAGE_BYTES];
        for page in 0..3 {
            let piece = script.take(usize::from(script.clone().byte() % 120));
            bytes[page * PAGE_BYTES..page * PAGE_BYTES + piece.len()].copy_from_slice(piece);
        }
        bytes[..8].copy_from_slice(b"QRTJRNL1");
        bytes[8..40].copy_from_slice(&network());
        bytes[40..44].copy_from_slice(&u32::try_from(number).expect("two").to_le_bytes());
        let count = usize::from(script.number() % 512);
        bytes.extend_from_slice(script.take(count));
        files.push((format!("journal-{number:08}.seg"), bytes));
    }
}

/// Makes the checksums of header and head slots good, as somebody could who knows the format.
fn forge(bytes: &mut [u8]) {
    if bytes.len() < 3 * PAGE_BYTES {
        return;
    }
    let checksum = Sha256::digest(&bytes[..84]);
    bytes[84..116].copy_from_slice(&checksum);
    for page in [1, 2] {
        let slot = page * PAGE_BYTES..page * PAGE_BYTES + 57;
        let checksum = Sha256::new()
            .chain_update(b"quorate journal head")
            .chain_update(&bytes[8..40])
            .chain_update(&bytes[40..44])
            .chain_update(&bytes[slot.clone()])
            .finalize();
        bytes[slot.end..slot.end + 32].copy_from_slice(&checksum);
    }
}

/// No change, one of each kind, and forged ones.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for kind in 0..10u8 {
        for (page, file) in [(0, 0), (1, 1), (2, 2), (3, 3)] {
            let script = vec![0, 0, file, page, 20, 0, kind, 3, 4, 1, 2, 3, 4];
            seeds.push((format!("one-{kind}-{page}"), script));
        }
        let forged = vec![2, 0, 1, 0, 44 + kind, 0, kind, 7, 4, 255, 255, 255, 255];
        seeds.push((format!("forged-{kind}"), forged));
    }
    let slots = vec![2, 2, 0, 1, 0, 0, 8, 8, 255, 255, 255, 255, 255, 255, 255, 255, 0, 2, 0, 0, 8];
    seeds.push(("generations".into(), slots));
    seeds.push(("arbitrary".into(), [vec![3, 1], vec![60; 200]].concat()));
    seeds
}
