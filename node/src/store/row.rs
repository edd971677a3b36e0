//! The index's rows: keys and values as bytes. Locations are (segment u32, offset u64),
//! little-endian.

use crate::index::Position;
use crate::journal::Location;
use consensus::Tip;
use consensus::tips::Asset;
use ledger::{
    Address, AssetDefinition, AssetId, BatchId, Bitmap, Canonical, Digest, Reader, TokenId,
    TransferId,
};

/// Key of the counters' row.
pub const COUNTERS_KEY: &[u8] = b"c";

/// Key of a token's tip.
pub fn tip_key(token: &TokenId) -> [u8; 33] {
    key(b'k', token.bytes())
}

/// Key of a transfer.
pub fn transfer_key(id: &TransferId) -> [u8; 33] {
    key(b't', id.bytes())
}

/// Key of an asset.
pub fn asset_key(id: &AssetId) -> [u8; 33] {
    key(b'a', id.bytes())
}

/// Key of a line of the applied log; big-endian, so that keys sort by position.
pub fn line_key(position: u64) -> [u8; 9] {
    let mut key = [b'l'; 9];
    key[1..].copy_from_slice(&position.to_be_bytes());
    key
}

/// Key that says that a batch has a line at this position.
pub fn place_key(batch: &BatchId, position: u64) -> [u8; 41] {
    let mut key = [b'b'; 41];
    key[..33].copy_from_slice(&places_prefix(batch));
    key[33..].copy_from_slice(&position.to_be_bytes());
    key
}

/// What the keys of a batch's places begin with.
pub fn places_prefix(batch: &BatchId) -> [u8; 33] {
    key(b'b', batch.bytes())
}

/// The position in a place's key; `None` for other bytes.
pub fn place_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(33..)?.try_into().ok()?))
}

fn key(kind: u8, id: &[u8; 32]) -> [u8; 33] {
    let mut key = [kind; 33];
    key[1..].copy_from_slice(id);
    key
}

/// A location as the index counts positions.
pub fn position(at: Location) -> Position {
    Position { segment: u64::from(at.segment), offset: at.offset }
}

/// The location of a position; `None` when the segment is no `u32`.
pub fn location(position: Position) -> Option<Location> {
    Some(Location { segment: u32::try_from(position.segment).ok()?, offset: position.offset })
}

fn write_location(at: Location, out: &mut Vec<u8>) {
    at.segment.write(out);
    at.offset.write(out);
}

fn read_location(reader: &mut Reader<'_>) -> Option<Location> {
    Some(Location { segment: u32::read(reader).ok()?, offset: u64::read(reader).ok()? })
}

/// Where a final transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferRow {
    /// The record of its batch.
    pub batch_at: Location,
    /// The record of the Commit certificate that applied it.
    pub applied_at: Location,
    /// Its position in the batch.
    pub index: u32,
}

impl TransferRow {
    /// 28 bytes.
    pub fn to_row(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(28);
        write_location(self.batch_at, &mut out);
        write_location(self.applied_at, &mut out);
        self.index.write(&mut out);
        out
    }

    /// `None` for other bytes.
    pub fn from_row(row: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(row);
        let batch_at = read_location(&mut reader)?;
        let applied_at = read_location(&mut reader)?;
        let index = u32::read(&mut reader).ok()?;
        (reader.left() == 0).then_some(Self { batch_at, applied_at, index })
    }
}

/// One line of the applied log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The batch.
    pub batch: BatchId,
    /// The record of the batch.
    pub batch_at: Location,
    /// The record of the Commit certificate.
    pub applied_at: Location,
    /// The transfers applied with it.
    pub bitmap: Bitmap,
}

impl Line {
    /// 60 bytes and the bitmap's.
    pub fn to_row(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(60);
        self.batch.write(&mut out);
        write_location(self.batch_at, &mut out);
        write_location(self.applied_at, &mut out);
        self.bitmap.write(&mut out);
        out
    }

    /// `None` for other bytes.
    pub fn from_row(row: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(row);
        let batch = BatchId::read(&mut reader).ok()?;
        let batch_at = read_location(&mut reader)?;
        let applied_at = read_location(&mut reader)?;
        let bitmap = Bitmap::read(&mut reader).ok()?;
        (reader.left() == 0).then_some(Self { batch, batch_at, applied_at, bitmap })
    }
}

/// A tip: height, maker, asset, amount, owner, and the transfer that ended it (zero for none).
pub fn tip_row(tip: &Tip) -> Vec<u8> {
    let mut out = Vec::with_capacity(144);
    tip.height.write(&mut out);
    tip.made_by.write(&mut out);
    tip.asset.write(&mut out);
    tip.amount.write(&mut out);
    tip.owner.write(&mut out);
    tip.ended_by.unwrap_or_default().write(&mut out);
    out
}

/// `None` for other bytes.
pub fn read_tip(row: &[u8]) -> Option<Tip> {
    let mut reader = Reader::new(row);
    let tip = Tip {
        height: u64::read(&mut reader).ok()?,
        made_by: TransferId::read(&mut reader).ok()?,
        asset: AssetId::read(&mut reader).ok()?,
        amount: u64::read(&mut reader).ok()?,
        owner: Address::read(&mut reader).ok()?,
        ended_by: Some(TransferId::read(&mut reader).ok()?).filter(|id| *id != Default::default()),
    };
    (reader.left() == 0).then_some(tip)
}

/// An asset: issued supply, definition.
pub fn asset_row(asset: &Asset) -> Vec<u8> {
    let mut out = Vec::new();
    asset.issued.write(&mut out);
    asset.definition.write(&mut out);
    out
}

/// `None` for other bytes.
pub fn read_asset(row: &[u8]) -> Option<(AssetDefinition, u64)> {
    let mut reader = Reader::new(row);
    let issued = u64::read(&mut reader).ok()?;
    let definition = AssetDefinition::read(&mut reader).ok()?;
    (reader.left() == 0).then_some((definition, issued))
}

/// The counters: applied, digest.
pub fn counters_row(applied: u64, digest: Digest) -> Vec<u8> {
    let mut out = Vec::with_capacity(40);
    applied.write(&mut out);
    digest.write(&mut out);
    out
}

/// `None` for other bytes.
pub fn read_counters(row: &[u8]) -> Option<(u64, [u8; 32])> {
    let mut reader = Reader::new(row);
    let applied = u64::read(&mut reader).ok()?;
    let digest: [u8; 32] = reader.array().ok()?;
    (reader.left() == 0).then_some((applied, digest))
}

/// The id in a key of 33 bytes.
pub fn id_of(key: &[u8]) -> Option<Digest> {
    Some(Digest(key.get(1..)?.try_into().ok()?))
}
