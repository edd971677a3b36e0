//! Token states: one link of a token chain, and its CID.

use crate::encoding::{Canonical, canonical_struct};
use crate::hash::{Digest, Tag, TokenId, TransferId, hash, hash_untagged};
use std::fmt;

/// One link of a token chain: which token, how many transfers into its life, and made by which
/// transfer. It can be spent once. Canonical bytes: token id, height (u64), transfer id; 72 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenState {
    /// The token.
    pub token: TokenId,
    /// 0 for a token as it was created, then one more with each move.
    pub height: u64,
    /// The transfer that made this state; zero for a genesis token.
    pub made_by: TransferId,
}
canonical_struct!(TokenState { token, height, made_by });

/// Bytes of a binary CIDv1 with a one-byte codec and sha2-256.
pub const CID_BYTES: usize = 36;
/// Longest text of one, bytes: in base 2.
const CID_TEXT_BYTES_MAX: usize = 1 + 8 * CID_BYTES;
/// CIDv1, raw codec, sha2-256, 32 bytes (<https://github.com/multiformats/cid>).
const RAW_SHA256: [u8; 4] = [0x01, 0x55, 0x12, 0x20];

impl TokenState {
    /// sha2-256 of the canonical bytes, without a tag: the digest in the state's CID.
    pub fn hash(&self) -> Digest {
        hash_untagged(&self.to_bytes())
    }

    /// The state CID, binary: CIDv1, raw codec, sha2-256 of the canonical bytes.
    pub fn cid(&self) -> [u8; CID_BYTES] {
        raw_cid(&self.to_bytes())
    }
}

impl fmt::Debug for TokenState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{}/{:?}", self.token, self.height, self.made_by)
    }
}

/// The raw CIDv1 of `bytes`, binary.
pub fn raw_cid(bytes: &[u8]) -> [u8; CID_BYTES] {
    let mut cid = [0; CID_BYTES];
    cid[..4].copy_from_slice(&RAW_SHA256);
    cid[4..].copy_from_slice(&hash_untagged(bytes).0);
    cid
}

/// A binary CID as text (`bafkrei…` for raw sha2-256).
///
/// # Panics
/// When the bytes are no CID, which decoding excludes.
pub fn cid_text(cid: &[u8; CID_BYTES]) -> String {
    cid::Cid::try_from(&cid[..]).expect("made or decoded as a CID").to_string()
}

/// Whether the bytes are a CIDv1 with a one-byte codec and sha2-256, and nothing else: the `cid`
/// crate takes any hash of 32 bytes, and CIDv0 or a short digest with bytes left over.
pub fn is_cid(bytes: &[u8; CID_BYTES]) -> bool {
    let [version, codec, hash, digest_bytes, ..] = *bytes;
    version == 1 && codec < 0x80 && [hash, digest_bytes] == RAW_SHA256[2..]
}

/// Reads a CIDv1 with sha2-256 from text in any multibase; `None` for anything else, a path too.
pub fn parse_cid(text: &str) -> Option<[u8; CID_BYTES]> {
    // Reading base 58 takes the square of the text's length.
    if text.len() > CID_TEXT_BYTES_MAX {
        return None;
    }
    // Not the `cid` crate's parser: it skips everything up to "/ipfs/", and what is behind the
    // digest.
    let (_, bytes) = cid::multibase::decode(text).ok()?;
    let bytes = bytes.try_into().ok()?;
    is_cid(&bytes).then_some(bytes)
}

/// The id of the genesis token at `position`, counted over all genesis tokens in order.
pub fn genesis_token_id(position: u64) -> TokenId {
    TokenId(hash(Tag::GenesisToken, &[&position.to_le_bytes()]))
}

/// The id of the token that output `index` of `transfer` creates or issues.
pub fn created_token_id(transfer: TransferId, index: u32) -> TokenId {
    TokenId(hash(Tag::Token, &[transfer.bytes(), &index.to_le_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cid_is_the_one_other_software_computes() {
        // `echo -n abc | ipfs add --only-hash --cid-version 1 --raw-leaves`; the digest is
        // sha256sum's.
        let text = cid_text(&raw_cid(b"abc"));
        assert_eq!(text, "bafkreif2pall7dybz7vecqka3zo24irdwabwdi4wc55jznaq75q7eaavvu");
        assert_eq!(parse_cid(&text), Some(raw_cid(b"abc")));
        assert_eq!(parse_cid("QmUuygbK"), None);
    }

    #[test]
    fn only_a_cid_v1_with_sha256_is_read() {
        let text = |bytes: &[u8]| cid::Cid::try_from(bytes).expect("some CID").to_string();
        let digest = hash_untagged(b"abc").0;
        let with = |prefix: &[u8]| [prefix, &digest].concat();
        let dag_pb = with(&[1, 0x70, 0x12, 0x20]);
        assert_eq!(parse_cid(&text(&dag_pb)).map(|cid| cid.to_vec()), Some(dag_pb));
        let raw = text(&raw_cid(b"abc"));
        assert!(parse_cid(&raw).is_some());
        let refused = [
            text(&with(&[0x12, 0x20])),
            text(&with(&[1, 0x55, 0x16, 0x20])),
            text(&with(&[1, 0x55, 0x1e, 0x20])),
            text(&with(&[1, 0x55, 0x00, 0x20])),
            text(&with(&[1, 0x80, 0x02, 0x12, 0x20])),
            text(&[&[1, 0x55, 0x12, 31][..], &digest[..31]].concat()),
            format!("/ipfs/{raw}"),
            format!("anything/ipfs/{raw}"),
            format!("{raw}/"),
            format!(" {raw}"),
            format!("{raw}a"),
            raw[..raw.len() - 1].to_string(),
            String::new(),
        ];
        for text in refused {
            assert_eq!(parse_cid(&text), None, "{text:?}");
        }
    }

    #[test]
    fn a_cid_with_bytes_behind_it_was_taken_for_the_cid() {
        let base = cid::multibase::Base::Base32Lower;
        let cid = raw_cid(b"abc").to_vec();
        for bytes in [[&cid[..], &[0]].concat(), [&cid[..], &[0x5a, 0x10]].concat()] {
            let text = cid::multibase::encode(base, bytes);
            assert_eq!(parse_cid(&text), None, "{text:?}");
        }
        assert_eq!(parse_cid(&cid::multibase::encode(base, &cid)), Some(raw_cid(b"abc")));
    }

    #[test]
    fn a_state_is_72_bytes_and_each_field_counts() {
        let state =
            TokenState { token: genesis_token_id(1), height: 3, made_by: TransferId::default() };
        assert_eq!(state.to_bytes().len(), 72);
        assert_eq!(TokenState::from_bytes(&state.to_bytes()), Ok(state));
        let next = TokenState { height: 4, ..state };
        let other = TokenState { token: genesis_token_id(2), ..state };
        assert_ne!(state.cid(), next.cid());
        assert_ne!(state.cid(), other.cid());
        assert!(cid_text(&state.cid()).starts_with("bafkrei"));
    }
}
