//! The two kinds of CID used here: CIDv1, sha2-256, of raw bytes or of a dag-pb node.
//!
//! Only the codec and the digest are kept: everything else is constant. Other codecs, other hashes
//! and CIDv0 are refused at the door, and so is any second spelling of the same id. What the bytes
//! of a dag-pb node say is not looked at here.

use std::{fmt, str::FromStr};

use cid::Cid;
use multihash::Multihash;
use sha2::{Digest, Sha256};

use crate::CidError;

/// Multicodec "raw": the content is the bytes themselves (multiformats/multicodec, table.csv).
const RAW: u64 = 0x55;
/// Multicodec "dag-pb": the content is a node with links (same table).
const DAG_PB: u64 = 0x70;
/// Multihash code of sha2-256 (same table).
const SHA2_256: u64 = 0x12;

/// How the bytes under an id are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// The bytes themselves.
    Raw,
    /// A node with links (dag-pb), as UnixFS files of more than one chunk have them.
    DagPb,
}

impl Codec {
    /// The number in the multicodec table; one byte for both.
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Codec::Raw => 0x55,
            Codec::DagPb => 0x70,
        }
    }

    /// The codec of this number, if it is one of the two.
    pub(crate) fn of_number(number: u64) -> Option<Self> {
        match number {
            RAW => Some(Codec::Raw),
            DAG_PB => Some(Codec::DagPb),
            _ => None,
        }
    }
}

/// The name of some bytes: a codec and their sha2-256 digest, shown as a CIDv1 (`bafkrei…` for raw
/// bytes, `bafybei…` for a dag-pb node).
///
/// Ordered by digest, then codec, so that lists of ids are in the same order everywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId {
    digest: [u8; 32],
    codec: Codec,
}

impl ContentId {
    /// The id of these bytes, raw. Cost: one hash.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_codec(Codec::Raw, bytes)
    }

    /// The id of these bytes, read by this codec. Cost: one hash.
    pub fn of_codec(codec: Codec, bytes: &[u8]) -> Self {
        Self::new(codec, Sha256::digest(bytes).into())
    }

    /// The id of raw bytes whose digest was computed elsewhere.
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self::new(Codec::Raw, digest)
    }

    /// The id whose digest was computed elsewhere.
    pub const fn new(codec: Codec, digest: [u8; 32]) -> Self {
        Self { digest, codec }
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
        &self.digest
    }

    /// How the bytes are to be read.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The 36 bytes that [`ContentId::from_bytes`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        Cid::from(*self).to_bytes()
    }

    /// Whether these bytes are what the id names. Cost: one hash.
    pub fn verify(&self, bytes: &[u8]) -> bool {
        Self::of_codec(self.codec, bytes) == *self
    }
}

impl From<ContentId> for Cid {
    fn from(id: ContentId) -> Cid {
        let hash =
            Multihash::wrap(SHA2_256, &id.digest).expect("32 bytes fit into a multihash of 64");
        Cid::new_v1(u64::from(id.codec.byte()), hash)
    }
}

impl TryFrom<Cid> for ContentId {
    type Error = CidError;

    fn try_from(cid: Cid) -> Result<Self, CidError> {
        let codec = Codec::of_number(cid.codec()).ok_or(CidError::OtherKind)?;
        if cid.hash().code() != SHA2_256 {
            return Err(CidError::OtherKind);
        }
        let digest = cid.hash().digest().try_into().map_err(|_| CidError::OtherKind)?;
        let id = Self::new(codec, digest);
        match cid.version() {
            cid::Version::V1 => Ok(id),
            cid::Version::V0 => Err(CidError::Version0 { id }),
        }
    }
}

/// The longest text that is looked at; an id of ours has 59 letters, a CID of another hash less
/// than twice as many.
const TEXT_BYTES_MAX: usize = 128;

/// Strict: only the text that `Display` writes is read (base32, lower case, no path).
impl FromStr for ContentId {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Self, CidError> {
        // Reading base 58 takes the square of the text's length.
        if text.len() > TEXT_BYTES_MAX {
            return Err(CidError::Malformed);
        }
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
        check(&Cid::new_v1(0x71, hash).to_string()); // dag-cbor
        let sha512 = Multihash::wrap(0x13, &[7; 64]).expect("64 bytes fit");
        check(&Cid::new_v1(RAW, sha512).to_string());
        let short = Multihash::wrap(SHA2_256, &[7; 20]).expect("20 bytes fit");
        check(&Cid::new_v1(RAW, short).to_string());
    }

    /// The empty directory, whose CIDs every Kubo knows (`ipfs files stat /` of a new repository).
    const EMPTY_V0: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
    const EMPTY_V1: &str = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";

    #[test]
    fn a_node_has_a_cid_of_its_own() {
        let bytes = [0x0a, 0x02, 0x08, 0x01];
        let id = ContentId::of_codec(Codec::DagPb, &bytes);
        assert_eq!(id.to_string(), EMPTY_V1);
        assert_eq!(EMPTY_V1.parse(), Ok(id));
        assert_eq!(&id.to_bytes()[..4], &[1, 0x70, 0x12, 32]);
        assert_eq!(ContentId::from_bytes(&id.to_bytes()), Ok(id));
        assert!(id.verify(&bytes));
        let raw = ContentId::of(&bytes);
        assert_ne!(raw, id);
        assert_eq!(
            (raw.digest(), raw.codec(), id.codec()),
            (id.digest(), Codec::Raw, Codec::DagPb)
        );
        assert!(raw < id, "ordered by digest, then codec");
    }

    #[test]
    fn the_old_spelling_of_a_node_is_refused_with_the_new_one() {
        let id = EMPTY_V1.parse().expect("a CID of ours");
        let refusal = EMPTY_V0.parse::<ContentId>().expect_err("CIDv0");
        assert_eq!(refusal, CidError::Version0 { id });
        assert!(refusal.to_string().contains(EMPTY_V1), "{refusal}");
        let bytes = Cid::try_from(EMPTY_V0).expect("a sound CID").to_bytes();
        assert_eq!(ContentId::from_bytes(&bytes), Err(refusal));
    }
}
