//! Ed25519 keys and signatures under the rules of ZIP-215, alone and in batches.
//!
//! ZIP-215 (<https://zips.z.cash/zip-0215>) gives one signature the same answer alone and in a
//! batch, on every validator; dalek's rules do not (`shared/LIMITS.md`: of 200 crafted signatures
//! its batch check accepted about half, at random). Weak keys are refused when a key enters, see
//! [`PublicKey::from_bytes`].

mod table;

pub use table::{KeyTable, Sealed};

use crate::encoding::{Canonical, DecodeError, Reader};
use ed25519_zebra::{SigningKey, VerificationKey, VerificationKeyBytes, batch};
use rand_core::CryptoRng;
use std::fmt;
use zeroize::Zeroizing;

/// An Ed25519 public key that is neither weak nor in a second encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// The y coordinates of the eight points of small order (RFC 7748 twist check lists; the same list
/// as libsodium's `has_small_order`), little-endian, sign bit cleared. Signatures under such keys
/// verify for any message.
const WEAK_Y: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

impl PublicKey {
    /// Takes 32 bytes as a key; cheap, for decoding.
    ///
    /// # Errors
    /// [`DecodeError::BadKey`] for the points of small order and for y coordinates of 2^255 - 19
    /// and above, which are second encodings. Whether the point is on the curve is for
    /// [`PublicKey::is_on_curve`] to say.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, DecodeError> {
        let mut y = bytes;
        y[31] &= 0x7f;
        let is_above_p = y[31] == 0x7f && y[1..31].iter().all(|byte| *byte == 0xff) && y[0] >= 0xed;
        if is_above_p || WEAK_Y.contains(&y) {
            return Err(DecodeError::BadKey);
        }
        Ok(Self(bytes))
    }

    /// Whether the bytes are a point of the curve, in its prime-order subgroup's coset at least:
    /// money sent to anything else is lost. About 4 µs.
    pub fn is_on_curve(&self) -> bool {
        let compressed = curve25519_dalek::edwards::CompressedEdwardsY(self.0);
        compressed.decompress().is_some_and(|point| !point.is_small_order())
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` is this key's over `message`, by ZIP-215. About 30 µs.
    pub fn verifies(&self, signature: &Signature, message: &[u8]) -> bool {
        VerificationKey::try_from(self.0)
            .is_ok_and(|key| key.verify(&signature.zebra(), message).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..4]))
    }
}

impl Canonical for PublicKey {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_bytes(reader.array()?)
    }
}

/// An Ed25519 signature, 64 bytes; any bytes decode, verification decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    fn zebra(&self) -> ed25519_zebra::Signature {
        ed25519_zebra::Signature::from_bytes(&self.0)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..4]))
    }
}

impl Canonical for Signature {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(reader.array()?))
    }
}

/// A secret key with its public key. All of the secret is wiped when dropped, and never printed.
pub struct Keypair {
    seed: Zeroizing<[u8; 32]>,
    /// Holds the seed and the expanded secret, too; a `SigningKey` is `Copy` and does not wipe
    /// itself.
    signing: Zeroizing<SigningKey>,
    public: PublicKey,
}

impl Keypair {
    /// Expands a seed of 32 bytes (RFC 8032). The caller brings the randomness.
    ///
    /// # Panics
    /// Never in practice: a clamped scalar times the base point is of prime order.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let signing = Zeroizing::new(SigningKey::from(seed));
        let bytes: [u8; 32] = VerificationKeyBytes::from(&*signing).into();
        let public = PublicKey::from_bytes(bytes).expect("a derived key has prime order");
        Self { seed: Zeroizing::new(seed), signing, public }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The seed, for writing a key file.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Signs `message`. About 16 µs.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.signing.sign(message).to_bytes())
    }
}

impl Clone for Keypair {
    fn clone(&self) -> Self {
        Self::from_seed(*self.seed)
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keypair({:?})", self.public)
    }
}

/// One signature to check: who, what, over which message.
#[derive(Clone, Debug)]
pub struct Signed<'a> {
    /// The signer.
    pub key: PublicKey,
    /// The signature.
    pub signature: Signature,
    /// The signed bytes.
    pub message: &'a [u8],
}

/// Checks many signatures at once: `valid[i]` is for `items[i]`.
///
/// One multi-scalar multiplication checks all; if it fails, the batch is bisected until the bad
/// ones are named. About 13-20 µs a signature from 64 on when all are good (`shared/LIMITS.md`),
/// and the answer is the one that [`PublicKey::verifies`] gives. `rng` weighs the signatures
/// against each other and must not be foreseeable by the signers.
pub fn verify_batch(items: &[Signed<'_>], rng: &mut impl CryptoRng) -> Vec<bool> {
    let prepared: Vec<batch::Item> = items
        .iter()
        .map(|item| {
            let key = VerificationKeyBytes::from(item.key.0);
            batch::Item::from((key, item.signature.zebra(), item.message))
        })
        .collect();
    let mut valid = vec![true; items.len()];
    bisect(&prepared, &mut valid, rng);
    valid
}

/// Below this many a bad batch is taken apart one by one: a check alone costs about two of a batch.
const BISECT_ITEMS_MIN: usize = 4;

fn bisect(items: &[batch::Item], valid: &mut [bool], rng: &mut impl CryptoRng) {
    assert_eq!(items.len(), valid.len());
    if items.len() < BISECT_ITEMS_MIN {
        for (item, valid) in items.iter().zip(valid) {
            *valid = item.clone().verify_single().is_ok();
        }
        return;
    }
    let mut verifier = batch::Verifier::new();
    for item in items {
        verifier.queue(item.clone());
    }
    if verifier.verify(&mut *rng).is_ok() {
        return;
    }
    let middle = items.len() / 2;
    let (left, right) = valid.split_at_mut(middle);
    bisect(&items[..middle], left, rng);
    bisect(&items[middle..], right, rng);
}

#[cfg(test)]
mod tests;
