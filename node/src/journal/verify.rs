//! The offline check of `quorate store verify`: reads everything, writes nothing, and goes on after
//! a damaged segment so that the operator sees how far it reaches.

use std::path::{Path, PathBuf};

use super::disk::System;
use super::error::{Damage, DamageKind, JournalError};
use super::scan::{Scanned, scan};
use super::segment::{self, FIRST_RECORD, Pages};

/// What `verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Segments present.
    pub segments: u64,
    /// Valid records, those after a damage too as far as they hang together.
    pub records: u64,
    /// Their bytes as framed.
    pub bytes: u64,
    /// Bytes beyond the last record that a crash left; opening the journal cuts them.
    pub torn_bytes: u64,
    /// What is wrong, in order of segments. Empty means that the journal is as promised.
    pub problems: Vec<Damage>,
    /// Segments set aside when earlier damage was accepted.
    pub set_aside: Vec<PathBuf>,
}

/// Checks the journal in `dir` of network `network` without changing anything.
///
/// Unlike opening, it continues with the next segment after a damaged one. Run it with the node
/// stopped: a journal that is being written looks torn. Cost: reads every byte.
///
/// # Errors
/// `OtherNetwork`, `OtherFormat`, `Io`. Damage is in the report.
pub fn verify(dir: &Path, network: [u8; 32]) -> Result<Report, JournalError> {
    let disk = System;
    let listing = segment::list(&disk, dir)?;
    let mut report = Report {
        segments: super::record::length(listing.segments.len()),
        records: 0,
        bytes: 0,
        torn_bytes: 0,
        problems: Vec::new(),
        set_aside: listing.set_aside,
    };
    let mut before: Option<Scanned> = None;
    let mut next = 0;
    for number in listing.segments {
        if number != next {
            report.problem(next, DamageKind::MissingSegment, None, before.as_ref());
            before = None;
        }
        next = number.saturating_add(1);
        let (file, pages) = segment::open(&disk, dir, number, &network)?;
        let Pages::Valid(header, head) = pages else {
            report.problem(number, DamageKind::BadHeader, None, before.as_ref());
            before = None;
            continue;
        };
        let promised = match &before {
            Some(before) => Some((before.records, before.hash)),
            None if number == 0 => Some((0, network)),
            None => None,
        };
        if promised.is_some_and(|promised| promised != (header.first_record, header.previous)) {
            let expected = Some(header.first_record);
            report.problem(number, DamageKind::OtherChain, expected, before.as_ref());
        }
        let path = segment::path(dir, number);
        let scanned = scan(&path, file, header, head, &mut |_, _, _| {})?;
        report.records += scanned.records - header.first_record;
        report.bytes += scanned.end - FIRST_RECORD;
        report.problems.extend(scanned.damage.clone());
        before = Some(scanned);
    }
    report.end(next, before.as_ref());
    Ok(report)
}

impl Report {
    fn problem(
        &mut self,
        segment: u32,
        kind: DamageKind,
        records_expected: Option<u64>,
        before: Option<&Scanned>,
    ) {
        let records_found = before.map_or(0, |before| before.records);
        self.problems.push(Damage { segment, offset: 0, kind, records_expected, records_found });
    }

    /// The last segment tells of a torn tail, or that another should follow.
    fn end(&mut self, next: u32, last: Option<&Scanned>) {
        let sealed = last.and_then(|last| last.head).filter(|head| head.is_sealed);
        if let Some(head) = sealed {
            self.problem(next, DamageKind::MissingSegment, Some(head.records), last);
        } else if next == 0 && !self.set_aside.is_empty() {
            self.problem(0, DamageKind::MissingSegment, None, None);
        }
        if self.problems.is_empty() {
            self.torn_bytes = last.map_or(0, |last| last.torn_bytes);
        }
    }
}
