//! Where a record is.

use super::segment::FIRST_RECORD;

/// The place of a record: its segment's number and the byte in its file.
///
/// Ordered as the records are. Stable for ever: segments are neither moved nor compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Number of the segment, from 0.
    pub segment: u32,
    /// Byte in the segment's file.
    pub offset: u64,
}

impl Location {
    /// Where the first record of every journal starts.
    pub const START: Self = Self { segment: 0, offset: FIRST_RECORD };
}

impl std::fmt::Display for Location {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "segment {} byte {}", self.segment, self.offset)
    }
}
