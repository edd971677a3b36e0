//! Assets: what tokens are made of. Fungible with decimals, or one indivisible item with content.

use crate::amount::DECIMALS_MAX;
use crate::encoding::{Canonical, DecodeError, Reader, write_bytes};
use crate::hash::{AssetId, Tag, TransferId, hash};
use crate::state::{CID_BYTES, is_cid};

/// Longest asset name, bytes: it is a label in tables.
pub const ASSET_NAME_BYTES_MAX: usize = 32;

/// What kind of thing an asset is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AssetKind {
    /// Divisible into base units of 10^-decimals.
    Fungible {
        /// 0 to 18.
        decimals: u8,
    },
    /// One indivisible thing (an NFT); its token can only move.
    Item {
        /// CIDv1 (any codec, sha2-256) of the content, binary, 36 bytes.
        content: [u8; CID_BYTES],
    },
}

/// The definition of an asset, as genesis or an `Issue` output gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AssetDefinition {
    /// 1 to 32 printable ASCII characters without spaces. Only genesis names are reserved; other
    /// names are labels and may repeat, the id tells them apart.
    pub name: String,
    /// What it is.
    pub kind: AssetKind,
}

impl AssetDefinition {
    /// Digits behind the point; 0 for an item.
    pub fn decimals(&self) -> u8 {
        match self.kind {
            AssetKind::Fungible { decimals } => decimals,
            AssetKind::Item { .. } => 0,
        }
    }

    /// Whether tokens of it can only move.
    pub fn is_indivisible(&self) -> bool {
        matches!(self.kind, AssetKind::Item { .. })
    }

    /// Whether it is one that decodes: its name, decimals and content CID are as the fields say.
    ///
    /// # Errors
    /// [`DecodeError::NotCanonical`], [`DecodeError::BadCid`].
    pub fn check(&self) -> Result<(), DecodeError> {
        if !is_asset_name(&self.name) {
            return Err(DecodeError::NotCanonical(
                "an asset's name is 1 to 32 printable characters",
            ));
        }
        match &self.kind {
            AssetKind::Fungible { decimals } if *decimals > DECIMALS_MAX => {
                Err(DecodeError::NotCanonical("an asset has at most 18 decimals"))
            }
            AssetKind::Item { content } if !is_cid(content) => Err(DecodeError::BadCid),
            _ => Ok(()),
        }
    }
}

/// Whether `name` can name an asset: 1 to 32 printable ASCII characters, no spaces.
pub fn is_asset_name(name: &str) -> bool {
    (1..=ASSET_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
}

/// The id of the genesis asset at `index` of the genesis' list.
pub fn genesis_asset_id(index: u32) -> AssetId {
    AssetId(hash(Tag::GenesisAsset, &[&index.to_le_bytes()]))
}

/// The id of the asset that output `index` of `transfer` issues; no definition can be issued twice.
pub fn issued_asset_id(transfer: TransferId, index: u32) -> AssetId {
    AssetId(hash(Tag::Asset, &[transfer.bytes(), &index.to_le_bytes()]))
}

impl Canonical for AssetDefinition {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self.name.as_bytes(), out);
        match &self.kind {
            AssetKind::Fungible { decimals } => out.extend_from_slice(&[0, *decimals]),
            AssetKind::Item { content } => {
                out.push(1);
                out.extend_from_slice(content);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = reader.bytes("bytes in an asset's name", ASSET_NAME_BYTES_MAX)?;
        let name = std::str::from_utf8(name).map_err(|_| DecodeError::BadText)?.to_string();
        let kind = match u8::read(reader)? {
            0 => AssetKind::Fungible { decimals: u8::read(reader)? },
            1 => AssetKind::Item { content: reader.array()? },
            tag => return Err(DecodeError::BadTag { what: "kind of asset", tag }),
        };
        let definition = Self { name, kind };
        definition.check()?;
        Ok(definition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::raw_cid;

    #[test]
    fn definitions_round_trip_and_refuse_bad_ones() {
        let item = AssetDefinition {
            name: "painting-7".into(),
            kind: AssetKind::Item { content: raw_cid(b"picture") },
        };
        assert_eq!(AssetDefinition::from_bytes(&item.to_bytes()), Ok(item.clone()));
        let mut damaged = item.to_bytes();
        let cid_at = damaged.len() - CID_BYTES;
        // Another version, a codec of two bytes, sha3-256, identity, a digest of 31 bytes, a CIDv0.
        for (at, byte) in [(0, 9), (1, 0x80), (2, 0x16), (2, 0), (3, 31), (0, 0x12)] {
            damaged[cid_at..].copy_from_slice(&raw_cid(b"picture"));
            damaged[cid_at + at] = byte;
            let refused = AssetDefinition::from_bytes(&damaged);
            assert_eq!(refused, Err(DecodeError::BadCid), "byte {at} is {byte}");
        }
        damaged[cid_at..cid_at + 2].copy_from_slice(&[0x12, 0x20]);
        assert_eq!(AssetDefinition::from_bytes(&damaged), Err(DecodeError::BadCid));
        let fine = AssetDefinition { name: "G".into(), kind: AssetKind::Fungible { decimals: 19 } };
        assert!(AssetDefinition::from_bytes(&fine.to_bytes()).is_err());
        for name in ["", "two words", "ü", &"x".repeat(33)] {
            let bad = AssetDefinition { name: name.into(), ..item.clone() };
            assert!(AssetDefinition::from_bytes(&bad.to_bytes()).is_err(), "{name:?}");
        }
    }

    #[test]
    fn ids_differ_by_transfer_index_and_origin() {
        let transfer = TransferId::default();
        let ids = [
            genesis_asset_id(0),
            genesis_asset_id(1),
            issued_asset_id(transfer, 0),
            issued_asset_id(transfer, 1),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id));
        }
    }
}
