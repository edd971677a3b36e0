//! What the journal promises, tried on real files: see also `tests/{faults,damage}.rs`.

mod damage;
mod faults;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::record::framed_bytes;
use super::*;

const NETWORK: [u8; 32] = [7; 32];

/// Small segments, creation allowed.
fn options() -> Options {
    Options { create: true, segment_bytes: FIRST_RECORD + 400, ..Options::new(NETWORK) }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn payload(index: u8) -> Vec<u8> {
    vec![index; 20 + usize::from(index) % 50]
}

type Rows = Vec<(Location, u8, Vec<u8>)>;

fn open(dir: &Path, options: Options) -> Result<(Journal, Opened, Rows), JournalError> {
    open_on(Arc::new(System), dir, options)
}

fn open_on(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: Options,
) -> Result<(Journal, Opened, Rows), JournalError> {
    let mut rows = Rows::new();
    let mut visit = |location: Location, kind: u8, payload: &[u8]| {
        rows.push((location, kind, payload.to_vec()));
    };
    let (journal, opened) = Journal::open_on(disk, dir, options, &mut visit)?;
    Ok((journal, opened, rows))
}

/// Appends records `range` and waits until they are durable.
fn fill(journal: &Journal, range: std::ops::Range<u8>) -> Rows {
    let rows: Rows = range
        .map(|index| {
            let ticket = journal.append(index, payload(index)).expect("room");
            (ticket.location, index, payload(index))
        })
        .collect();
    journal.wait_durable(journal.queue.queued_end() - 1, soon()).expect("durable");
    rows
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("listed") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copied");
    }
}

#[test]
fn what_was_appended_is_there_after_reopening() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, opened, _) = open(dir.path(), options()).expect("created");
    assert_eq!(opened, Opened { records: 0, bytes: 0, torn_bytes_cut: 0, damage: None });
    let rows = fill(&journal, 0..60);
    assert_eq!(journal.durable(), 60);
    for (location, kind, payload) in &rows {
        assert_eq!(journal.read(*location), Ok((*kind, payload.clone())));
    }
    journal.close().expect("closed");
    let (journal, opened, found) = open(dir.path(), options()).expect("opened");
    assert_eq!((opened.records, opened.damage), (60, None));
    assert_eq!(found, rows);
    assert!(rows.last().expect("rows").0.segment > 3, "segments roll");
    let more = fill(&journal, 60..70);
    assert_eq!(journal.durable(), 70);
    journal.close().expect("closed");
    let report = verify(dir.path(), NETWORK).expect("verified");
    assert_eq!((report.records, report.problems.len(), report.torn_bytes), (70, 0, 0));
    let (_journal, _, found) = open(dir.path(), options()).expect("opened");
    assert_eq!(found, [rows, more].concat());
}

#[test]
fn a_scan_starts_at_any_record() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, ..) = open(dir.path(), options()).expect("created");
    let rows = fill(&journal, 0..30);
    for (index, row) in rows.iter().enumerate() {
        let mut found = Rows::new();
        let count = journal
            .scan_from(row.0, &mut |location, kind, payload| {
                found.push((location, kind, payload.to_vec()));
            })
            .expect("valid");
        assert_eq!(found, rows[index..]);
        assert_eq!(count, length(found.len()));
    }
    assert_eq!(journal.scan_from(journal.end(), &mut |_, _, _| panic!("nothing there")), Ok(0));
    let beyond = Location { segment: 99, offset: FIRST_RECORD };
    let bad = JournalError::BadRecord { location: beyond };
    assert_eq!(journal.scan_from(beyond, &mut |_, _, _| {}), Err(bad.clone()));
    assert_eq!(journal.read(beyond), Err(bad));
}

#[test]
fn only_a_record_s_own_place_can_be_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, ..) = open(dir.path(), options()).expect("created");
    let rows = fill(&journal, 0..4);
    for offset in 0..journal.end().offset + 40 {
        let location = Location { segment: 0, offset };
        let expected = rows.iter().find(|row| row.0 == location);
        assert_eq!(journal.read(location).ok(), expected.map(|row| (row.1, row.2.clone())));
    }
}

#[test]
fn another_network_s_journal_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path(), options()).expect("created").0.close().expect("closed");
    let other = Options { network: [8; 32], ..options() };
    let error = open(dir.path(), other).err().expect("refused");
    assert_eq!(error, JournalError::OtherNetwork { found: NETWORK, wanted: [8; 32] });
}

#[test]
fn a_journal_that_is_gone_is_not_silently_made_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    for path in [dir.path().to_path_buf(), dir.path().join("none")] {
        let error = open(&path, Options { create: false, ..options() }).err().expect("refused");
        assert_eq!(error, JournalError::Missing { dir: path });
    }
}

#[test]
fn the_longest_record_is_taken_and_one_byte_more_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, ..) = open(dir.path(), options()).expect("created");
    fill(&journal, 0..2);
    let longest = vec![1; usize::try_from(RECORD_BYTES_MAX).expect("16 MiB")];
    let ticket = journal.append(9, longest.clone()).expect("taken");
    assert_eq!(ticket.location, Location { segment: 1, offset: FIRST_RECORD });
    let after = fill(&journal, 3..4);
    assert_eq!(after[0].0, Location { segment: 2, offset: FIRST_RECORD });
    assert_eq!(journal.read(ticket.location), Ok((9, longest)));
    let bytes = RECORD_BYTES_MAX + 1;
    let refused = journal.append(9, vec![0; usize::try_from(bytes).expect("16 MiB")]);
    assert_eq!(refused, Err(JournalError::TooLarge { bytes }));
    journal.close().expect("closed");
    assert_eq!(open(dir.path(), options()).expect("opened").1.records, 4);
}

#[test]
fn many_threads_append_while_others_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let rolling = Options { segment_bytes: FIRST_RECORD + 20_000, ..options() };
    let (journal, ..) = open(dir.path(), rolling.clone()).expect("created");
    let mut rows = std::thread::scope(|scope| {
        let append = |kind: u8| {
            let journal = &journal;
            scope.spawn(move || -> Rows {
                let row = |index: u8| {
                    let payload = vec![kind ^ index; usize::from(index) + 1];
                    let ticket = journal.append(kind, payload.clone()).expect("room");
                    assert_eq!(journal.read(ticket.location), Ok((kind, payload.clone())));
                    (ticket.location, kind, payload)
                };
                (0..=255).map(row).collect()
            })
        };
        let threads = [append(1), append(2), append(3), append(4)];
        threads.map(|thread| thread.join().expect("no panic")).concat()
    });
    rows.sort();
    journal.close().expect("closed");
    assert_eq!(open(dir.path(), rolling).expect("opened").2, rows);
}

#[test]
fn an_empty_record_is_a_record() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, ..) = open(dir.path(), options()).expect("created");
    let ticket = journal.append(0, Vec::new()).expect("taken");
    journal.close().expect("closed");
    let (journal, opened, _) = open(dir.path(), options()).expect("opened");
    assert_eq!(opened.records, 1);
    assert_eq!(journal.read(ticket.location), Ok((0, Vec::new())));
}

#[test]
fn the_format_on_disk_is_the_one_written_down() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, ..) = open(dir.path(), options()).expect("created");
    journal.append(5, b"golden".to_vec()).expect("taken");
    journal.close().expect("closed");
    let bytes = fs::read(segment::path(dir.path(), 0)).expect("read");
    let first = usize::try_from(FIRST_RECORD).expect("three pages");
    assert_eq!(&bytes[..8], b"QRTJRNL1");
    assert_eq!(bytes[8..40], NETWORK);
    assert_eq!(hex::encode(&bytes[84..116]), GOLDEN_HEADER);
    assert_eq!(hex::encode(&bytes[4096..4096 + 89]), GOLDEN_HEAD);
    assert_eq!(hex::encode(&bytes[first..first + 43]), GOLDEN_RECORD);
}

/// Made by twelve lines of Python from the formats in `segment`, `head` and `record`.
const GOLDEN_HEADER: &str = "cc00f2e2714270b03c433eac77c52994377afd8093fe1bc0435d0caf1717740b";
const GOLDEN_HEAD: &str = "\
    020000000000000001000000000000002b3000000000000000ecf6489dfe6afde8ff317610445036\
    58072f9375469bcfea6336262804c123bb38ea762ca966d5bea8f3dcf2ba1fe223c2829b9e0c6342\
    c09f3c11340d699416";
const GOLDEN_RECORD: &str = "\
    0600000005676f6c64656eecf6489dfe6afde8ff31761044503658072f9375469bcfea6336262804\
    c123bb";

#[test]
fn many_records_are_appended_together_or_not_at_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let bounded = Options { queue_records_max: 8, ..options() };
    let opened = Journal::open_stepped(Arc::new(System), dir.path(), bounded, &mut |_, _, _| {})
        .expect("created");
    let (journal, mut writer) = (opened.0, opened.1.expect("a well disk"));
    let rows = |count: u8| (0..count).map(|index| (index, Bytes::from(vec![index]))).collect();
    let tickets = journal.append_all(rows(2), false).expect("room");
    assert_eq!(tickets.iter().map(|ticket| ticket.sequence).collect::<Vec<_>>(), [0, 1]);
    let refused = journal.append_all(rows(7), true);
    assert!(matches!(refused, Err(JournalError::Full { records: 2, .. })), "{refused:?}");
    assert!(matches!(writer.step(Duration::ZERO), Next::Wait(Some(_))), "nobody waits");
    assert_eq!(journal.append_all(rows(1), true).expect("room")[0].sequence, 2);
    assert_eq!(writer.step(Duration::ZERO), Next::Sync);
    assert_eq!((writer.step(Duration::ZERO), journal.durable()), (Next::Again, 3));
    assert_eq!(journal.append_all(rows(9), true).expect("an empty queue takes all").len(), 9);
}
