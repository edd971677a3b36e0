//! Addresses: an Ed25519 public key written as `did:key:z6Mk…` (W3C did:key, multicodec 0xed,
//! base58btc).

use crate::encoding::{Canonical, DecodeError, Reader};
use crate::key::PublicKey;
use std::fmt;
use std::str::FromStr;

/// Who may own tokens: a public key. As text a did:key, in canonical bytes the 32 bytes of the key.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Address(pub PublicKey);

/// The text before the multibase key.
const PREFIX: &str = "did:key:z";
/// Multicodec `ed25519-pub` as an unsigned varint (<https://github.com/multiformats/multicodec>).
const MULTICODEC: [u8; 2] = [0xed, 0x01];

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not begin as did:key texts do.
    #[error("an address begins with did:key:z6Mk, and this does not: {0:?}")]
    NotDidKey(String),
    /// The part after the prefix is no base58btc of the right length.
    #[error("the address is damaged: its key is not 34 bytes of base58btc")]
    Damaged,
    /// The key is of another kind than Ed25519.
    #[error("only Ed25519 keys (did:key:z6Mk…) can own tokens")]
    OtherKind,
    /// The key is weak, or no point of the curve: what is sent there could be taken by anybody or
    /// by nobody.
    #[error(
        "the key in this address is weak or not a point of the curve; nobody could own it safely"
    )]
    BadKey,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some(encoded) = text.strip_prefix(PREFIX) else {
            return Err(AddressError::NotDidKey(text.chars().take(60).collect()));
        };
        if encoded.len() > 64 {
            return Err(AddressError::Damaged);
        }
        let bytes = bs58::decode(encoded).into_vec().map_err(|_| AddressError::Damaged)?;
        let Some((kind, key)) = bytes.split_at_checked(2) else {
            return Err(AddressError::Damaged);
        };
        if kind != MULTICODEC {
            return Err(AddressError::OtherKind);
        }
        let key: [u8; 32] = key.try_into().map_err(|_| AddressError::Damaged)?;
        let key = PublicKey::from_bytes(key).map_err(|_| AddressError::BadKey)?;
        if !key.is_on_curve() {
            return Err(AddressError::BadKey);
        }
        Ok(Self(key))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 34];
        bytes[..2].copy_from_slice(&MULTICODEC);
        bytes[2..].copy_from_slice(self.0.bytes());
        write!(f, "{PREFIX}{}", bs58::encode(bytes).into_string())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl Canonical for Address {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        PublicKey::read(reader).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Keypair;

    #[test]
    fn text_round_trip_and_known_vector() {
        let address = Address(Keypair::from_seed([1; 32]).public());
        let text = address.to_string();
        assert!(text.starts_with("did:key:z6Mk"), "{text}");
        assert_eq!(text.parse(), Ok(address));
        // From the did:key specification, section "Ed25519".
        let known = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
        assert_eq!(known.parse::<Address>().map(|address| address.to_string()), Ok(known.into()));
    }

    #[test]
    fn each_damage_has_its_error() {
        let parse = |text: &str| text.parse::<Address>();
        assert_eq!(parse("alice"), Err(AddressError::NotDidKey("alice".into())));
        assert_eq!(parse("did:key:z0OIl"), Err(AddressError::Damaged));
        assert_eq!(parse("did:key:z6Mk"), Err(AddressError::OtherKind));
        let secp = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme";
        assert_eq!(parse(secp), Err(AddressError::OtherKind));
        let mut weak = MULTICODEC.to_vec();
        weak.extend_from_slice(&[0; 32]);
        let weak = format!("{PREFIX}{}", bs58::encode(weak).into_string());
        assert_eq!(parse(&weak), Err(AddressError::BadKey));
    }
}
