//! Reading the whole journal in order, changing nothing: what is valid, what a crash left torn,
//! what is damaged. Opening, verifying and catching up all stand on it.

use std::io;
use std::path::Path;

use super::Location;
use super::disk::{Disk, DiskFile, FileHandle};
use super::error::{Damage, DamageKind, JournalError};
use super::head::Head;
use super::record::{Hash, Walk};
use super::segment::{self, FIRST_RECORD, Header, Listing, Pages};

/// Called for each valid record in order with its location, kind and payload.
pub(super) type Visit<'a> = &'a mut dyn FnMut(Location, u8, &[u8]);

/// One segment, read to where its validity ends.
pub(super) struct Scanned {
    /// Its header.
    pub header: Header,
    /// The newer valid slot of its head.
    pub head: Option<Head>,
    /// Records from the journal's start to the end of this segment's valid ones.
    pub records: u64,
    /// Hash of the last of them.
    pub hash: Hash,
    /// Byte where the last of them ends.
    pub end: u64,
    /// Bytes from there to the last that is not zero.
    pub torn_bytes: u64,
    /// What is wrong, if the head promises something else.
    pub damage: Option<Damage>,
}

impl Scanned {
    fn judge(&mut self, is_head_met: bool) {
        let kind = match self.head {
            None => DamageKind::BadHead,
            Some(head) if self.records < head.records => DamageKind::BadRecord,
            Some(_) if !is_head_met => DamageKind::OtherChain,
            Some(_) => return,
        };
        self.damage = Some(Damage {
            segment: self.header.segment,
            offset: if kind == DamageKind::BadHead { segment::PAGE_BYTES } else { self.end },
            kind,
            records_expected: self.head.map(|head| head.records),
            records_found: self.records,
        });
    }
}

/// Walks the records of an opened segment.
pub(super) fn scan(
    path: &Path,
    file: FileHandle,
    header: Header,
    head: Option<Head>,
    visit: Visit<'_>,
) -> Result<Scanned, JournalError> {
    let fail = || JournalError::io("reading", path);
    let file_bytes = file.bytes().map_err(fail())?;
    let mut walk = Walk::new(file.clone(), FIRST_RECORD, file_bytes, header.previous);
    let (mut records, mut is_head_met) = (header.first_record, false);
    loop {
        is_head_met |= head.is_some_and(|head| {
            head.records == records && head.end == walk.offset && head.hash == walk.hash
        });
        let Some((offset, kind, payload)) = walk.next().map_err(fail())? else { break };
        visit(Location { segment: header.segment, offset }, kind, payload);
        records += 1;
    }
    let torn_bytes = torn_bytes(&*file, walk.offset, file_bytes).map_err(fail())?;
    let (hash, end) = (walk.hash, walk.offset);
    let mut scanned = Scanned { header, head, records, hash, end, torn_bytes, damage: None };
    scanned.judge(is_head_met);
    Ok(scanned)
}

/// Bytes from `end` to the last that is not zero.
fn torn_bytes(file: &dyn DiskFile, end: u64, file_bytes: u64) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 18];
    let (mut offset, mut torn_end) = (end, end);
    while offset < file_bytes {
        let read = file.read_at(&mut buffer, offset)?;
        if read == 0 {
            break;
        }
        if let Some(last) = buffer[..read].iter().rposition(|byte| *byte != 0) {
            torn_end = offset + super::record::length(last) + 1;
        }
        offset += super::record::length(read);
    }
    Ok(torn_end - end)
}

/// The whole journal, read up to the first damage.
pub(super) struct Survey {
    /// The files found.
    pub listing: Listing,
    /// Valid records.
    pub records: u64,
    /// Their bytes as framed.
    pub bytes: u64,
    /// Hash of the last of them; the network's id if there are none.
    pub hash: Hash,
    /// The last segment that is valid, at least at its start.
    pub last: Option<Scanned>,
    /// Segments that a crash left unsealed though the next one is there, and the head to write.
    pub unsealed: Vec<(Header, Head)>,
    /// The first damage.
    pub damage: Option<Damage>,
}

impl Survey {
    fn damage(&self, segment: u32, kind: DamageKind, expected: Option<u64>) -> Option<Damage> {
        let records_found = self.records;
        Some(Damage { segment, offset: 0, kind, records_expected: expected, records_found })
    }
}

/// Reads every segment in order until one is damaged.
///
/// # Errors
/// `OtherNetwork`, `OtherFormat`, `Io`; damage is not an error but an answer.
pub(super) fn survey(
    disk: &dyn Disk,
    dir: &Path,
    network: &[u8; 32],
    visit: Visit<'_>,
) -> Result<Survey, JournalError> {
    let listing = segment::list(disk, dir)?;
    let mut survey = Survey {
        listing,
        records: 0,
        bytes: 0,
        hash: *network,
        last: None,
        unsealed: Vec::new(),
        damage: None,
    };
    for (index, segment) in (0..).zip(survey.listing.segments.clone()) {
        if segment != index {
            survey.damage = survey.damage(index, DamageKind::MissingSegment, None);
            return Ok(survey);
        }
        let (file, pages) = segment::open(disk, dir, segment, network)?;
        let Pages::Valid(header, head) = pages else {
            survey.damage = survey.damage(segment, DamageKind::BadHeader, None);
            return Ok(survey);
        };
        if header.first_record != survey.records || header.previous != survey.hash {
            let expected = Some(header.first_record);
            survey.damage = survey.damage(segment, DamageKind::OtherChain, expected);
            return Ok(survey);
        }
        if let Some(before) = &survey.last
            && let Some(old) = before.head.filter(|head| !head.is_sealed)
        {
            let (records, end, hash) = (before.records, before.end, before.hash);
            let generation = old.generation + 1;
            let sealed = Head { generation, records, end, hash, is_sealed: true };
            survey.unsealed.push((before.header, sealed));
        }
        let scanned = scan(&segment::path(dir, segment), file, header, head, visit)?;
        survey.records = scanned.records;
        survey.bytes += scanned.end - FIRST_RECORD;
        survey.hash = scanned.hash;
        survey.damage = scanned.damage.clone();
        survey.last = Some(scanned);
        if survey.damage.is_some() {
            return Ok(survey);
        }
    }
    let (missing, expected) = match &survey.last {
        Some(last) => match last.head {
            Some(head) if head.is_sealed => (Some(last.header.segment + 1), Some(head.records)),
            _ => (None, None),
        },
        None if survey.listing.set_aside.is_empty() => (None, None),
        None => (Some(0), None),
    };
    if let Some(segment) = missing {
        survey.damage = survey.damage(segment, DamageKind::MissingSegment, expected);
    }
    Ok(survey)
}
