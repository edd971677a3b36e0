//! Keys that are known beforehand, a committee's: decompressed once, with multiples of each, so
//! that a check of signatures under them costs two thirds of one from bytes.
//!
//! The equation is the one of `ed25519_zebra::batch`, of ZIP-215: with random weights z of 128 bits
//!
//! ```text
//! 8·[−Σ zᵢsᵢ]B + 8·Σ [zᵢ]Rᵢ + 8·Σ [zᵢkᵢ]Aᵢ = 0,   kᵢ = SHA-512(Rᵢ ‖ Aᵢ ‖ message)
//! ```
//!
//! Only "all are good" rests on it. When it does not hold zebra says which are bad; so a fault here
//! could refuse nothing that is good.

use super::{PublicKey, Signature, Signed, verify_batch};
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{
    CompressedEdwardsY, EdwardsPoint, VartimeEdwardsPrecomputation as Multiples,
};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimePrecomputedMultiscalarMul};
use ed25519_zebra::VerificationKey;
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use std::fmt;

/// Keys by index, at least one. Some 10 KiB and 12 µs a key.
pub struct KeyTable {
    keys: Vec<(PublicKey, VerificationKey)>,
    /// Of B, then of the keys.
    multiples: Multiples,
}

/// One signature under a key of the table.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    /// Index of the key.
    pub key: usize,
    /// The signature.
    pub signature: &'a Signature,
    /// The signed bytes.
    pub message: &'a [u8],
}

impl KeyTable {
    /// Decompresses the keys; `None` when one is no point of the curve.
    pub fn new(keys: &[PublicKey]) -> Option<Self> {
        let points: Option<Vec<EdwardsPoint>> =
            keys.iter().map(|key| CompressedEdwardsY(*key.bytes()).decompress()).collect();
        let multiples = Multiples::new([ED25519_BASEPOINT_POINT].iter().chain(&points?));
        let decompressed = |key: &PublicKey| {
            VerificationKey::try_from(*key.bytes()).ok().map(|decompressed| (*key, decompressed))
        };
        let keys = keys.iter().map(decompressed).collect::<Option<_>>()?;
        Some(Self { keys, multiples })
    }

    /// Whether `signature` is key `index`'s over `message`, by ZIP-215; not when there is no such
    /// key. About 17 µs.
    pub fn verifies(&self, index: usize, signature: &Signature, message: &[u8]) -> bool {
        self.keys.get(index).is_some_and(|(_, key)| key.verify(&signature.zebra(), message).is_ok())
    }

    /// Which is the first that is not valid, or is under no key of the table; `None` when all are
    /// valid. Five good ones cost 0.05 ms. `rng` must not be foreseeable by the signers.
    pub fn first_invalid(&self, sealed: &[Sealed<'_>], rng: &mut impl CryptoRng) -> Option<usize> {
        if self.all_valid(sealed, rng) {
            return None;
        }
        let mut items = Vec::with_capacity(sealed.len());
        for (index, one) in sealed.iter().enumerate() {
            let Some((key, _)) = self.keys.get(one.key) else { return Some(index) };
            items.push(Signed { key: *key, signature: *one.signature, message: one.message });
        }
        verify_batch(&items, rng).iter().position(|valid| !valid)
    }

    /// Whether all of them are valid. `false` proves nothing against any one of them.
    pub(super) fn all_valid(&self, sealed: &[Sealed<'_>], rng: &mut impl CryptoRng) -> bool {
        self.sum(sealed, rng).is_some_and(|sum| sum.mul_by_cofactor().is_identity())
    }

    /// The equation's left side before it is multiplied by 8; `None` when an R is no point, an s is
    /// not below the group's order, or a key is unknown.
    fn sum(&self, sealed: &[Sealed<'_>], rng: &mut impl CryptoRng) -> Option<EdwardsPoint> {
        let mut known = vec![Scalar::ZERO; self.keys.len() + 1];
        let mut weights = Vec::with_capacity(sealed.len());
        let mut points = Vec::with_capacity(sealed.len());
        for one in sealed {
            let (key, _) = self.keys.get(one.key)?;
            let (r, s) = one.signature.0.split_at(32);
            let (r, s): ([u8; 32], [u8; 32]) = (r.try_into().ok()?, s.try_into().ok()?);
            points.push(Some(CompressedEdwardsY(r).decompress()?));
            let s: Scalar = Option::from(Scalar::from_canonical_bytes(s))?;
            let hash = Sha512::new().chain_update(r).chain_update(key.bytes());
            let hash = hash.chain_update(one.message).finalize();
            let k = Scalar::from_bytes_mod_order_wide(&hash.into());
            let z = weight(rng);
            known[0] -= z * s;
            known[one.key + 1] += z * k;
            weights.push(z);
        }
        self.multiples.optional_mixed_multiscalar_mul(known, weights, points)
    }
}

/// A random number of 128 bits.
fn weight(rng: &mut impl CryptoRng) -> Scalar {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    Scalar::from(u128::from_le_bytes(bytes))
}

/// The same keys in the same order.
impl PartialEq for KeyTable {
    fn eq(&self, other: &Self) -> bool {
        self.keys.iter().map(|(key, _)| key).eq(other.keys.iter().map(|(key, _)| key))
    }
}

impl Eq for KeyTable {}

impl fmt::Debug for KeyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(key, _)| key)).finish()
    }
}
