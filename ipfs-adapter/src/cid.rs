//! The one kind of CID used here: CIDv1, raw codec, sha2-256.
//!
//! Only the digest is kept: everything else is constant. Other codecs, other hashes and CIDv0 are
//! refused at the door, and so is any second spelling of the same id.

use std::{fmt, str::FromStr};

use cid::Cid;
use multihash::Multihash;
use sha2::{Digest, Sha256};

use crate::CidError;

/// Multicodec "raw": the content is the bytes themselves (multiformats/multicodec, table.csv).
const RAW: u64 = 0x55;
/// Multihash code of sha2-256 (same table).
const SHA2_256: u64 = 0x12;

/// The name of some bytes: their sha2-256 digest, shown as a CIDv1 (`bafkrei…`).
///
/// Ordered by digest, so that lists of ids are in the same order everywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId([u8; 32]);

impl ContentId {
    /// The id of these bytes. Cost: one hash.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The id whose digest was computed elsewhere.
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The id in its 36 bytes: version, codec, hash code, length, digest.
    ///
    /// # Errors
    /// As [`ContentId::from_str`]; trailing bytes are malformed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CidError> {
        let cid = Cid::try_from(bytes).map_err(|_| CidError::Malformed)?;
        if cid.to_bytes() != bytes {
            return Err(CidError::Malformed);
        }
        Self::try_from(cid)
    }

    /// The sha2-256 digest.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 36 bytes that [`ContentId::from_bytes`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        Cid::from(*self).to_bytes()
    }

    /// Whether these bytes are what the id names. Cost: one hash.
    pub fn verify(&self, bytes: &[u8]) -> bool {
        Self::of(bytes) == *self
    }
}

impl From<ContentId> for Cid {
    fn from(id: ContentId) -> Cid {
        let hash = Multihash::wrap(SHA2_256, &id.0).expect("32 bytes fit into a multihash of 64");
        Cid::new_v1(RAW, hash)
    }
}

impl TryFrom<Cid> for ContentId {
    type Error = CidError;

    fn try_from(cid: Cid) -> Result<Self, CidError> {
        let is_ours = cid.version() == cid::Version::V1
            && cid.codec() == RAW
            && cid.hash().code() == SHA2_256;
        if !is_ours {
            return Err(CidError::OtherKind);
        }
        cid.hash().digest().try_into().map(Self).map_err(|_| CidError::OtherKind)
    }
}

/// Strict: only the text that `Display` writes is read (base32, lower case, no path).
impl FromStr for ContentId {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Self, CidError> {
        let cid = Cid::from_str(text).map_err(|_| CidError::Malformed)?;
        let id = Self::try_from(cid)?;
        if id.to_string() == text { Ok(id) } else { Err(CidError::Malformed) }
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Cid::from(*self).fmt(f)
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed apart from this code, by Python's hashlib and base64 (`b` + base32 of 01 55 12 20
    /// and the digest, lower case, without padding).
    const EMPTY: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    const HELLO: &str = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq";

    #[test]
    fn known_content_has_its_known_cid() {
        assert_eq!(ContentId::of(b"").to_string(), EMPTY);
        assert_eq!(ContentId::of(b"hello").to_string(), HELLO);
        assert_eq!(HELLO.parse(), Ok(ContentId::of(b"hello")));
        assert!(ContentId::of(b"hello").verify(b"hello"));
        assert!(!ContentId::of(b"hello").verify(b"hellp"));
    }

    #[test]
    fn bytes_go_there_and_back() {
        let id = ContentId::of(b"hello");
        let bytes = id.to_bytes();
        assert_eq!(bytes.len(), 36);
        assert_eq!(&bytes[..4], &[1, 0x55, 0x12, 32]);
        assert_eq!(ContentId::from_bytes(&bytes), Ok(id));
        assert_eq!(ContentId::from_digest(*id.digest()), id);
    }

    #[test]
    fn another_spelling_is_malformed() {
        let check = |text: &str| assert_eq!(text.parse::<ContentId>(), Err(CidError::Malformed));
        check("");
        check("bafkrei");
        check(&HELLO.to_uppercase());
        check(&format!("/ipfs/{HELLO}"));
        check(&format!(" {HELLO}"));
        check(&HELLO[..HELLO.len() - 1]);
        let base58 = cid::multibase::Base::Base58Btc;
        let respelled = Cid::from(ContentId::of(b"hello")).to_string_of_base(base58);
        check(&respelled.expect("a CIDv1 has a text in every base"));
        let mut bytes = ContentId::of(b"hello").to_bytes();
        bytes.push(0);
        assert_eq!(ContentId::from_bytes(&bytes), Err(CidError::Malformed));
        assert_eq!(ContentId::from_bytes(&bytes[..35]), Err(CidError::Malformed));
    }

    #[test]
    fn another_kind_is_named_as_such() {
        let check =
            |text: &str| assert_eq!(text.parse::<ContentId>(), Err(CidError::OtherKind), "{text}");
        let hash = *Cid::from(ContentId::of(b"hello")).hash();
        check("QmUuygbKAbS7RMfyuVcqUzd1CFw5wqyXBKXEo7UAUoTest"); // CIDv0, dag-pb
        check(&Cid::new_v1(0x71, hash).to_string()); // dag-cbor
        let sha512 = Multihash::wrap(0x13, &[7; 64]).expect("64 bytes fit");
        check(&Cid::new_v1(RAW, sha512).to_string());
        let short = Multihash::wrap(SHA2_256, &[7; 20]).expect("20 bytes fit");
        check(&Cid::new_v1(RAW, short).to_string());
    }
}
