//! Symbolic signatures: what `ledger` uses of the real `ed25519-zebra`, without its arithmetic.
//!
//! A signature is a short hash over the public key and the message, stretched to 32 bytes, behind
//! 32 that are no point. Anybody who calls [`SigningKey::sign`] could be replaced by a function of
//! the public key alone, so these signatures prove nothing; but in a simulation nobody makes one
//! who does not hold the key pair, and every other byte string fails. Public keys are real points,
//! as `ledger` refuses others.
//!
//! Only the workspace of `testnet/symbolic` builds this. It is no part of the product.

#![forbid(unsafe_code)]

pub mod batch;

use curve25519_dalek::edwards::EdwardsPoint;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use zeroize::Zeroize;

thread_local! {
    /// Public keys by seed: a run makes the same few key pairs again at every restart.
    static PUBLIC: RefCell<HashMap<[u8; 32], [u8; 32]>> = RefCell::new(HashMap::new());
}

/// Public keys remembered; more are computed each time.
const PUBLIC_MAX: usize = 1_024;

/// A signature that is not the key's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error;

/// 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Any 64 bytes.
    pub fn from_bytes(bytes: &[u8; 64]) -> Self {
        Self(*bytes)
    }

    /// The bytes.
    pub fn to_bytes(self) -> [u8; 64] {
        self.0
    }
}

/// A secret key.
#[derive(Clone, Copy)]
pub struct SigningKey {
    seed: [u8; 32],
    public: [u8; 32],
}

impl From<[u8; 32]> for SigningKey {
    fn from(seed: [u8; 32]) -> Self {
        let public = PUBLIC.with_borrow_mut(|known| {
            let compute = || EdwardsPoint::mul_base_clamped(seed).compress().to_bytes();
            if known.len() >= PUBLIC_MAX {
                return known.get(&seed).copied().unwrap_or_else(compute);
            }
            *known.entry(seed).or_insert_with(compute)
        });
        Self { seed, public }
    }
}

impl SigningKey {
    /// Signs.
    pub fn sign(&self, message: &[u8]) -> Signature {
        symbol(&self.public, message)
    }
}

impl Zeroize for SigningKey {
    fn zeroize(&mut self) {
        self.seed.zeroize();
    }
}

/// The bytes of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationKeyBytes([u8; 32]);

impl From<[u8; 32]> for VerificationKeyBytes {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<&SigningKey> for VerificationKeyBytes {
    fn from(key: &SigningKey) -> Self {
        Self(key.public)
    }
}

impl From<VerificationKeyBytes> for [u8; 32] {
    fn from(key: VerificationKeyBytes) -> Self {
        key.0
    }
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationKey([u8; 32]);

impl TryFrom<[u8; 32]> for VerificationKey {
    type Error = Error;
    fn try_from(bytes: [u8; 32]) -> Result<Self, Error> {
        Ok(Self(bytes))
    }
}

impl VerificationKey {
    /// Whether the key pair's holder has signed this message.
    ///
    /// # Errors
    /// When not.
    pub fn verify(&self, signature: &Signature, message: &[u8]) -> Result<(), Error> {
        if symbol(&self.0, message) == *signature { Ok(()) } else { Err(Error) }
    }
}

/// The first half of every signature, where an R would be, is no point of the curve: `ledger` tries
/// the real equation over a committee's keys first, and shall see at once that it does not hold.
const NO_POINT: [u8; 64] = [2; 64];

/// The one signature of a key over a message.
fn symbol(public: &[u8; 32], message: &[u8]) -> Signature {
    let mut hasher = DefaultHasher::new();
    hasher.write(public);
    hasher.write(message);
    let mut lane = hasher.finish();
    let mut bytes = NO_POINT;
    for chunk in bytes[32..].chunks_mut(8) {
        lane = lane.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ 0x5851_f42d_4c95_7f2d;
        chunk.copy_from_slice(&lane.to_le_bytes());
    }
    Signature(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_and_the_very_message_verify() {
        let (ours, other) = (SigningKey::from([1; 32]), SigningKey::from([2; 32]));
        let signature = ours.sign(b"message");
        let verifies = |key: &SigningKey, signature: &Signature, message: &[u8]| {
            let bytes: [u8; 32] = VerificationKeyBytes::from(key).into();
            let key = VerificationKey::try_from(bytes).expect("any bytes are a key here");
            key.verify(signature, message).is_ok()
        };
        assert!(verifies(&ours, &signature, b"message"));
        assert!(!verifies(&other, &signature, b"message"));
        assert!(!verifies(&ours, &signature, b"massage"));
        let r = curve25519_dalek::edwards::CompressedEdwardsY([2; 32]);
        assert!(r.decompress().is_none() && signature.to_bytes()[..32] == r.0);
        for byte in 0..64 {
            let mut flipped = signature.to_bytes();
            flipped[byte] ^= 1;
            assert!(!verifies(&ours, &Signature::from_bytes(&flipped), b"message"));
        }
    }
}
