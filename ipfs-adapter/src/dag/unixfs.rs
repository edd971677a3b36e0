//! The UnixFS part of a node: what kind of thing it is and how many bytes are below each link
//! (specs.ipfs.tech/unixfs, message `Data`).
//!
//! Read strictly: known fields only, in their order, each once (`blocksizes` as often as there are
//! links). Mode and time of change are read over: they are no content.

use std::ops::Range;

use super::{
    NODE_LINK_COUNT_MAX,
    protobuf::{Fields, Malformed, Value, put_number},
};
use crate::blockstore::size_of;

/// A plain leaf of old writers.
const KIND_RAW: u64 = 0;
const KIND_FILE: u64 = 2;

/// Numbers of the fields.
const KIND: u8 = 1;
const DATA: u64 = 2;
const FILE_SIZE: u8 = 3;
const BLOCK_SIZE: u8 = 4;
const MODE: u64 = 7;
const TIME: u64 = 8;

/// The UnixFS part of a file's node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePart {
    /// Where in the part stand bytes of the file itself, before those of its links.
    pub(crate) data: Range<usize>,
    /// Bytes below each link.
    pub(crate) sizes: Vec<u64>,
    /// All of them together: checked.
    pub(crate) bytes: u64,
}

/// Why there is no [`FilePart`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Malformed,
    /// A sound node of another kind.
    Kind(u64),
}

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        Refusal::Malformed
    }
}

/// The part for a node with links to these many bytes, as Kubo writes it.
pub(crate) fn encode(sizes: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_number(&mut bytes, KIND, KIND_FILE);
    put_number(&mut bytes, FILE_SIZE, sizes.iter().sum());
    for size in sizes {
        put_number(&mut bytes, BLOCK_SIZE, *size);
    }
    bytes
}

pub(crate) fn decode(bytes: &[u8]) -> Result<FilePart, Refusal> {
    let (mut kind, mut data, mut said, mut sizes) = (None, 0..0, None, Vec::new());
    let mut fields = Fields::new(bytes);
    let mut last = 0;
    while let Some((field, value)) = fields.next()? {
        let is_in_order = field > last || (field == last && field == u64::from(BLOCK_SIZE));
        if !is_in_order {
            return Err(Refusal::Malformed);
        }
        last = field;
        match (field, value) {
            (1, Value::Number(number)) if number != KIND_FILE && number != KIND_RAW => {
                return Err(Refusal::Kind(number));
            }
            (1, Value::Number(number)) => kind = Some(number),
            (DATA, Value::Bytes(bytes)) => {
                data = fields.position() - bytes.len()..fields.position()
            }
            (3, Value::Number(number)) => said = Some(number),
            (4, Value::Number(number)) if number > 0 && sizes.len() < NODE_LINK_COUNT_MAX => {
                sizes.push(number);
            }
            (MODE, Value::Number(_)) | (TIME, Value::Bytes(_)) => {}
            _ => return Err(Refusal::Malformed),
        }
    }
    let own = size_of(&bytes[data.clone()]);
    let sum = sizes.iter().try_fold(own, |sum, size| sum.checked_add(*size));
    match (kind, sum) {
        (Some(_), Some(bytes)) if said.unwrap_or(own) == bytes => {
            Ok(FilePart { data, sizes, bytes })
        }
        _ => Err(Refusal::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_go_there_and_back() {
        for sizes in [vec![1, 2, 3], vec![262_144; 174], vec![]] {
            let bytes = sizes.iter().sum();
            let part = FilePart { data: 0..0, sizes: sizes.clone(), bytes };
            assert_eq!(decode(&encode(&sizes)), Ok(part));
        }
        // A leaf of Kubo without raw leaves: type 2, data "hello", size 5; then with mode and time.
        let leaf = [8, 2, 18, 5, b'h', b'e', b'l', b'l', b'o', 24, 5];
        let part = FilePart { data: 4..9, sizes: vec![], bytes: 5 };
        assert_eq!(decode(&leaf), Ok(part.clone()));
        assert_eq!(decode(&[&leaf[..], &[56, 1, 66, 2, 8, 1]].concat()), Ok(part));
    }

    #[test]
    fn what_is_no_sound_file_is_refused() {
        let check = |bytes: &[u8], refusal| assert_eq!(decode(bytes), Err(refusal), "{bytes:?}");
        check(&[], Refusal::Malformed);
        check(&[8, 1], Refusal::Kind(1)); // a directory
        check(&[8, 5], Refusal::Kind(5)); // a shard
        check(&[24, 0], Refusal::Malformed); // no type
        check(&[8, 2, 24, 4, 32, 3], Refusal::Malformed); // the sum is wrong
        check(&[8, 2, 32, 3], Refusal::Malformed); // no sum
        check(&[8, 2, 24, 3, 32, 3, 32, 0], Refusal::Malformed); // nothing below a link
        check(&[8, 2, 32, 3, 24, 3], Refusal::Malformed); // not in order
        check(&[8, 2, 8, 2, 24, 0], Refusal::Malformed); // twice
        check(&[8, 2, 24, 0, 72, 1], Refusal::Malformed); // a field that nobody knows
        let huge = [[0xff; 9].as_slice(), &[1]].concat();
        let overflow = [&[8, 2, 24, 3, 32][..], &huge, &[32], &huge].concat();
        check(&overflow, Refusal::Malformed);
    }

    #[test]
    fn more_sizes_than_a_node_may_have_links_are_refused() {
        assert!(decode(&encode(&[1; NODE_LINK_COUNT_MAX])).is_ok());
        let over = encode(&[1; NODE_LINK_COUNT_MAX + 1]);
        assert_eq!(decode(&over), Err(Refusal::Malformed));
    }
}
