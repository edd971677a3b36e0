//! Token states: one link of a token chain, and its CID.

use crate::encoding::{Canonical, canonical_struct};
use crate::hash::{Digest, Tag, TokenId, TransferId, hash, hash_untagged};
use std::fmt;

/// One link of a token chain: which token, how many transfers into its life, and made by which transfer.
/// It can be spent once. Canonical bytes: token id, height (u64), transfer id; 72 bytes.
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

/// Reads a CIDv1 with sha2-256 from text; `None` for anything else.
pub fn parse_cid(text: &str) -> Option<[u8; CID_BYTES]> {
    let cid = cid::Cid::try_from(text).ok()?;
    cid.to_bytes().try_into().ok()
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
        // `echo -n "hello token" | ipfs add --only-hash --cid-version 1 --raw-leaves`, same multihash as
        // sha256sum prints.
        let text = cid_text(&raw_cid(b"abc"));
        assert_eq!(text, "bafkreif2pall7dybz7vecqka3zo24irdwabwdi4wc55jznaq75q7eaavvu");
        assert_eq!(parse_cid(&text), Some(raw_cid(b"abc")));
        assert_eq!(parse_cid("QmUuygbK"), None);
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
