//! Torn tails, flipped bits, lost files: a crash is mended, everything else is told.

use super::*;

/// A closed journal of `count` records in a fresh directory.
fn closed(count: u8, options: Options) -> (tempfile::TempDir, Rows) {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, ..) = open(dir.path(), options).expect("created");
    let rows = fill(&journal, 0..count);
    journal.close().expect("closed");
    (dir, rows)
}

fn one_segment() -> Options {
    Options { segment_bytes: FIRST_RECORD + 4096, ..options() }
}

fn survey(dir: &Path) -> (Result<Survey, JournalError>, Rows) {
    let mut rows = Rows::new();
    let survey = scan::survey(&System, dir, &NETWORK, &mut |location, kind, payload| {
        rows.push((location, kind, payload.to_vec()));
    });
    (survey, rows)
}

/// The head as it is when the last of the rows is written but not acknowledged.
fn unacknowledged(rows: &Rows) -> (tempfile::TempDir, Vec<u8>) {
    let (dir, _) = closed(u8::try_from(rows.len() - 1).expect("few"), one_segment());
    let path = segment::path(dir.path(), 0);
    let mut bytes = fs::read(&path).expect("read");
    let last = rows.last().expect("rows");
    let previous_at = usize::try_from(last.0.offset - 32).expect("small");
    let previous = *bytes[previous_at..].first_chunk().expect("a hash");
    let mut framed = Vec::new();
    record::frame(&previous, last.1, &last.2, &mut framed);
    bytes[previous_at + 32..previous_at + 32 + framed.len()].copy_from_slice(&framed);
    (dir, bytes)
}

#[test]
fn a_tail_torn_at_any_byte_is_a_crash() {
    let (_whole, rows) = closed(4, one_segment());
    let (dir, bytes) = unacknowledged(&rows);
    let path = segment::path(dir.path(), 0);
    let start = usize::try_from(rows[3].0.offset).expect("small");
    let end = start + 37 + rows[3].2.len();
    for cut in start..=end {
        let mut torn = bytes.clone();
        torn[cut..end].fill(0);
        fs::write(&path, &torn).expect("written");
        let kept = if cut == end { 4 } else { 3 };
        let (journal, opened, found) = open(dir.path(), one_segment()).expect("opened");
        assert_eq!((opened.damage, found), (None, rows[..kept].to_vec()), "cut at {cut}");
        let left = torn[start..cut].iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        assert_eq!(opened.torn_bytes_cut, if kept == 4 { 0 } else { length(left) });
        drop(journal);
        let mended = fs::read(&path).expect("read");
        let zeros_from = if kept == 4 { end } else { start };
        assert!(mended[zeros_from..].iter().all(|byte| *byte == 0), "the tail is zeros again");
        // The same with the file ending there.
        torn.truncate(cut);
        fs::write(&path, &torn).expect("written");
        let (journal, opened, found) = open(dir.path(), one_segment()).expect("opened");
        assert_eq!((opened.damage, found), (None, rows[..kept].to_vec()), "ends at {cut}");
        drop(journal);
    }
}

#[test]
fn a_torn_record_followed_by_a_whole_one_brings_neither_back() {
    let (_whole, rows) = closed(4, one_segment());
    let (dir, mut bytes) = unacknowledged(&rows);
    let path = segment::path(dir.path(), 0);
    // A group of two of which the first did not reach the disk.
    let start = usize::try_from(rows[3].0.offset).expect("small");
    let size = 37 + rows[3].2.len();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let previous = *bytes[start - 32..].first_chunk().expect("a hash");
    let hash = record::frame(&previous, rows[3].1, &rows[3].2, &mut first);
    record::frame(&hash, 99, b"never acknowledged", &mut second);
    bytes[start..start + size].fill(0);
    bytes[start + size..start + size + second.len()].copy_from_slice(&second);
    fs::write(&path, &bytes).expect("written");
    let (journal, opened, _) = open(dir.path(), one_segment()).expect("opened");
    assert_eq!((opened.records, opened.damage), (3, None));
    // The same record as before the crash: what stood behind it must not follow it again.
    assert_eq!(journal.append(rows[3].1, rows[3].2.clone()).expect("room").location, rows[3].0);
    journal.close().expect("closed");
    assert_eq!(open(dir.path(), one_segment()).expect("opened").2, rows);
}

/// With one bit changed: damage is told, or everything is there. Never less without a word.
#[test]
fn no_flipped_bit_goes_unnoticed() {
    let small = Options { segment_bytes: FIRST_RECORD + 300, ..options() };
    let (dir, rows) = closed(8, small.clone());
    let segments = u64::from(last_segment(dir.path())) + 1;
    assert!(segments >= 2, "a sealed segment and the last one");
    let (mut told, mut harmless) = (0_u64, 0_u64);
    for number in 0..=last_segment(dir.path()) {
        let path = segment::path(dir.path(), number);
        let clean = fs::read(&path).expect("read");
        let mut bytes = clean.clone();
        for byte in 0..clean.len() {
            // Padding is unused: every bit near what is used, one bit in sixteen bytes elsewhere.
            let is_padding = (128..4096).contains(&(byte % 4096)) && byte < 12_224;
            for bit in 0..8 {
                if is_padding && (byte % 16 != 0 || bit != 0) {
                    continue;
                }
                bytes[byte] ^= 1 << bit;
                fs::write(&path, &bytes).expect("written");
                match survey(dir.path()) {
                    (Err(error), _) => {
                        let header = format!("bit {bit} of byte {byte}: {error}");
                        panic!("a checksum names flipped headers: {header}");
                    }
                    (Ok(Survey { damage: Some(_), .. }), found) => {
                        told += 1;
                        assert!(rows.starts_with(&found), "only true records are shown");
                        let report = verify(dir.path(), NETWORK).expect("verified");
                        assert!(!report.problems.is_empty());
                    }
                    (Ok(_), found) => {
                        harmless += 1;
                        assert_eq!(found, rows, "bit {bit} of byte {byte} of segment {number}");
                    }
                }
                bytes[byte] = clean[byte];
            }
        }
        fs::write(&path, &clean).expect("written");
    }
    // Every bit of every header and record is told; heads have a second copy, padding no meaning.
    let records: u64 = rows.iter().map(|row| framed_bytes(length(row.2.len()))).sum();
    assert_eq!(told, 8 * (segments * (116 + 32) + records));
    assert!(harmless > told / 2, "the second copies and the zeros were tried: {harmless}");
}

#[test]
fn a_flipped_bit_is_met_by_random_reads() {
    let (dir, rows) = closed(4, one_segment());
    let path = segment::path(dir.path(), 0);
    let (journal, ..) = open(dir.path(), one_segment()).expect("opened");
    let (location, kind, payload) = rows[2].clone();
    let clean = fs::read(&path).expect("read");
    let start = usize::try_from(location.offset).expect("small");
    for byte in start - 32..start + 37 + payload.len() {
        let mut bytes = clean.clone();
        bytes[byte] ^= 16;
        fs::write(&path, &bytes).expect("written");
        assert_eq!(journal.read(location), Err(JournalError::BadRecord { location }));
    }
    fs::write(&path, &clean).expect("written");
    assert_eq!(journal.read(location), Ok((kind, payload)));
}

/// What becomes of a journal of 30 records in several segments after `harm`.
fn after(harm: impl FnOnce(&Path)) -> (tempfile::TempDir, Rows, Damage) {
    let (dir, rows) = closed(30, options());
    harm(dir.path());
    let before = survey(dir.path()).1;
    let (journal, opened, found) = open(dir.path(), options()).expect("opened");
    let damage = opened.damage.expect("told");
    assert_eq!(found, before);
    assert!(rows.starts_with(&found) && opened.records == damage.records_found);
    assert_eq!(journal.append(1, payload(1)), Err(JournalError::Damaged(damage.clone())));
    for (index, (location, kind, payload)) in rows.iter().enumerate() {
        let expected = (index < found.len()).then(|| (*kind, payload.clone()));
        assert_eq!(journal.read(*location).ok(), expected, "what is valid can be read");
    }
    assert_eq!(journal.close(), Ok(()));
    assert!(!verify(dir.path(), NETWORK).expect("verified").problems.is_empty());
    (dir, found, damage)
}

/// Accepts the damage, appends, and finds a journal without damage that has both.
fn accept(dir: &Path, kept: &Rows) {
    let accepting = Options { accept_damage: true, ..options() };
    let (journal, opened, _) = open(dir, accepting).expect("opened");
    assert!(opened.damage.is_some());
    let more = fill(&journal, 100..120);
    assert!(more[0].0 > kept.last().map_or(Location { segment: 0, offset: 0 }, |row| row.0));
    let mut count = 0;
    journal.scan_from(Location::START, &mut |_, _, _| count += 1).expect("whole");
    assert_eq!(count, kept.len() + more.len());
    journal.close().expect("closed");
    let (_journal, opened, found) = open(dir, options()).expect("opened");
    assert_eq!((opened.damage, found), (None, [kept.clone(), more].concat()));
    let report = verify(dir, NETWORK).expect("verified");
    assert_eq!(report.problems, []);
}

fn flip(dir: &Path, segment: u32, offset: u64) {
    let path = segment::path(dir, segment);
    let mut bytes = fs::read(&path).expect("read");
    bytes[usize::try_from(offset).expect("small")] ^= 1;
    fs::write(&path, &bytes).expect("written");
}

fn remove(dir: &Path, segment: u32) {
    fs::remove_file(segment::path(dir, segment)).expect("removed");
}

fn last_segment(dir: &Path) -> u32 {
    *segment::list(&System, dir).expect("listed").segments.last().expect("segments")
}

#[test]
fn each_kind_of_damage_is_told_and_can_be_accepted() {
    type Harm = fn(&Path);
    let cases: [(DamageKind, Harm); 9] = [
        (DamageKind::BadRecord, |dir| flip(dir, 2, FIRST_RECORD + 60)),
        (DamageKind::BadRecord, |dir| flip(dir, 0, FIRST_RECORD + 3)),
        (DamageKind::BadRecord, |dir| flip(dir, last_segment(dir), FIRST_RECORD + 9)),
        (DamageKind::BadHeader, |dir| flip(dir, 0, 3)),
        (DamageKind::BadHeader, |dir| flip(dir, 3, 50)),
        (DamageKind::BadHead, |dir| {
            flip(dir, last_segment(dir), 4096);
            flip(dir, last_segment(dir), 8192);
        }),
        (DamageKind::MissingSegment, |dir| remove(dir, 0)),
        (DamageKind::MissingSegment, |dir| remove(dir, 2)),
        (DamageKind::MissingSegment, |dir| remove(dir, last_segment(dir))),
    ];
    for (kind, harm) in cases {
        let (dir, kept, damage) = after(harm);
        assert_eq!(damage.kind, kind, "{damage}");
        accept(dir.path(), &kept);
    }
}

#[test]
fn an_older_copy_of_the_last_segment_is_damage() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, ..) = open(dir.path(), options()).expect("created");
    fill(&journal, 0..3);
    journal.close().expect("closed");
    let old = fs::read(segment::path(dir.path(), 0)).expect("read");
    let (journal, ..) = open(dir.path(), options()).expect("opened");
    fill(&journal, 3..30);
    journal.close().expect("closed");
    fs::write(segment::path(dir.path(), 0), old).expect("written");
    let damage = open(dir.path(), options()).expect("opened").1.damage.expect("told");
    assert_eq!((damage.kind, damage.segment), (DamageKind::OtherChain, 1));
}

#[test]
fn set_aside_segments_alone_are_not_a_new_journal() {
    let (dir, _) = closed(3, one_segment());
    let path = segment::path(dir.path(), 0);
    fs::rename(&path, dir.path().join("journal-00000000.damaged-0")).expect("renamed");
    let damage = open(dir.path(), one_segment()).expect("opened").1.damage.expect("told");
    assert_eq!((damage.kind, damage.segment), (DamageKind::MissingSegment, 0));
}

#[test]
fn a_copy_taken_at_any_moment_holds_what_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, ..) = open(dir.path(), options()).expect("created");
    let mut rows = Rows::new();
    for round in 0..12 {
        rows.extend(fill(&journal, round * 5..round * 5 + 5));
        let killed = tempfile::tempdir().expect("a directory");
        copy(dir.path(), killed.path());
        let (again, opened, found) = open(killed.path(), options()).expect("opened");
        assert_eq!((opened.damage, &found), (None, &rows));
        fill(&again, 200..210);
    }
}

#[test]
fn a_crash_between_creating_and_sealing_is_mended() {
    let (dir, rows) = closed(30, options());
    // The last segment as it was born, the one before unsealed again.
    let last = last_segment(dir.path());
    let first_record = rows.iter().filter(|row| row.0.segment < last).count();
    let bytes = fs::read(segment::path(dir.path(), last - 1)).expect("read");
    let (_, pages) = segment::open(&System, dir.path(), last - 1, &NETWORK).expect("opened");
    let segment::Pages::Valid(header, Some(head)) = pages else { panic!("valid before") };
    let mut unsealed = bytes;
    let generation = head.generation + 1;
    let head = head::Head { generation, is_sealed: false, ..head };
    let at = usize::try_from(head.slot_offset()).expect("small");
    unsealed[at..at + 89].copy_from_slice(&head.to_bytes(&header));
    fs::write(segment::path(dir.path(), last - 1), unsealed).expect("written");
    let (journal, opened, found) = open(dir.path(), options()).expect("opened");
    assert_eq!((opened.damage, found.len()), (None, rows.len()));
    drop(journal);
    remove(dir.path(), last);
    let damage = open(dir.path(), options()).expect("opened").1.damage.expect("sealed again");
    assert_eq!(damage.kind, DamageKind::MissingSegment);
    assert_eq!(damage.records_expected, Some(length(first_record)));
}

#[test]
fn an_unborn_segment_is_removed() {
    let (dir, rows) = closed(3, one_segment());
    let unborn = dir.path().join("journal-00000001.new");
    fs::write(&unborn, b"half a header").expect("written");
    let (_journal, opened, found) = open(dir.path(), one_segment()).expect("opened");
    assert_eq!((opened.damage, found, unborn.exists()), (None, rows, false));
}
