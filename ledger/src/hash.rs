//! Hashes and the ids made of them. Every hash in the ledger is sha2-256 (the hash that CIDs use)
//! over a domain tag and the parts, so that bytes of one kind can never stand for another kind.
//!
//! This file computes digests; what goes into them is said where each object is defined.

use crate::encoding::{Canonical, DecodeError, Reader};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A sha2-256 digest, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

/// What a hash is for. The tag is the first thing hashed, as its length (one byte) and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// The canonical bytes of a genesis: the network id.
    Genesis,
    /// A genesis asset, by its position.
    GenesisAsset,
    /// A genesis token, by its position.
    GenesisToken,
    /// The canonical bytes of an unsigned transfer: the transfer id.
    Transfer,
    /// An asset made by an `Issue` output.
    Asset,
    /// A token made by a `Create` or `Issue` output.
    Token,
    /// The owner's signature and the justification of a batch entry.
    Proof,
    /// A leaf of a batch's Merkle tree.
    Leaf,
    /// An inner node of a batch's Merkle tree.
    Node,
    /// The root of a batch's Merkle tree with the count mixed in: the batch id.
    Root,
    /// The full bytes of a batch, which its proposer signs.
    Proposal,
    /// The canonical bytes of a `Recover`, which the owner signs.
    Recover,
    /// The canonical bytes of a report, which a validator signs.
    Report,
}

impl Tag {
    /// The tag's text; changing one changes every id of that kind.
    pub const fn text(self) -> &'static str {
        match self {
            Tag::Genesis => "quorate/1/genesis",
            Tag::GenesisAsset => "quorate/1/genesis-asset",
            Tag::GenesisToken => "quorate/1/genesis-token",
            Tag::Transfer => "quorate/1/transfer",
            Tag::Asset => "quorate/1/asset",
            Tag::Token => "quorate/1/token",
            Tag::Proof => "quorate/1/proof",
            Tag::Leaf => "quorate/1/leaf",
            Tag::Node => "quorate/1/node",
            Tag::Root => "quorate/1/root",
            Tag::Proposal => "quorate/1/proposal",
            Tag::Recover => "quorate/1/recover",
            Tag::Report => "quorate/1/report",
        }
    }
}

/// Hashes the tag and then the parts, one after the other, without separators: callers pass parts
/// of fixed length, or one variable part last.
pub fn hash(tag: Tag, parts: &[&[u8]]) -> Digest {
    let text = tag.text().as_bytes();
    let mut hasher = Sha256::new();
    hasher.update([u8::try_from(text.len()).expect("a tag is shorter than 256 bytes")]);
    hasher.update(text);
    for part in parts {
        hasher.update(part);
    }
    Digest(hasher.finalize().into())
}

/// sha2-256 of `bytes` alone, without a tag: what a CID of the raw codec holds.
pub fn hash_untagged(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..4]))
    }
}

impl Canonical for Digest {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Digest(reader.array()?))
    }
}

/// A text that should have been 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 64 lower-case hexadecimal digits, and this is not: {0:?}")]
pub struct BadId(pub String);

impl std::str::FromStr for Digest {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let mut bytes = [0; 32];
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        if !is_lower || hex::decode_to_slice(text, &mut bytes).is_err() {
            return Err(BadId(text.chars().take(80).collect()));
        }
        Ok(Digest(bytes))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// Makes a type of its own for each kind of id, so that one can't be passed for another.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub Digest);

        impl $name {
            /// The 32 bytes.
            pub fn bytes(&self) -> &[u8; 32] {
                &self.0.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                text.parse().map($name)
            }
        }
        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
        impl Canonical for $name {
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }
            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Digest::read(reader).map($name)
            }
        }
    };
}

id!(
    /// The hash of the genesis' canonical bytes. Everything signed covers it.
    NetworkId
);
id!(
    /// The hash of an unsigned transfer's canonical bytes. It never covers a signature.
    TransferId
);
id!(
    /// A token's name for life.
    TokenId
);
id!(
    /// An asset's name for life.
    AssetId
);
id!(
    /// The Merkle root of a batch, count mixed in.
    BatchId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_differ_and_separate() {
        assert_ne!(hash(Tag::Leaf, &[b"x"]), hash(Tag::Node, &[b"x"]));
        assert_eq!(hash(Tag::Leaf, &[b"x", b"y"]), hash(Tag::Leaf, &[b"xy"]));
    }

    #[test]
    fn ids_as_text_are_strict() {
        let id = TransferId(hash(Tag::Transfer, &[b"t"]));
        assert_eq!(id.to_string().parse::<TransferId>(), Ok(id));
        let upper = id.to_string().to_uppercase();
        assert!(upper.parse::<TransferId>().is_err());
        assert!("ab".parse::<TransferId>().is_err());
    }

    #[test]
    fn untagged_is_plain_sha256() {
        assert_eq!(
            hash_untagged(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
