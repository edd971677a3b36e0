//! One row as an engine stores it, with a check of its own, and the sum over all rows.
//!
//! ```text
//! stored key: 'r' | key          stored value: check: 8 bytes | value
//! element = sha2-256(key length u32 LE | key | value); check = its first 8 bytes
//! sum = the elements of all rows, added as 256-bit numbers without carry out
//! ```

use sha2::{Digest, Sha256};

/// Bytes of a row's check.
pub(super) const CHECK_BYTES: usize = 8;
/// First byte of the stored key of every row.
const ROW: u8 = b'r';

/// What one row adds to the sum.
pub(super) type Element = [u8; 32];

/// The key under which the engine has the row; with a prefix of a key, the prefix of stored keys.
pub(super) fn stored_key(key: &[u8]) -> Vec<u8> {
    [&[ROW], key].concat()
}

/// The row's key again, if the stored key is a row's.
pub(super) fn key_of(stored_key: &[u8]) -> Option<&[u8]> {
    stored_key.strip_prefix(&[ROW])
}

/// What the row adds to the sum.
pub(super) fn element(key: &[u8], value: &[u8]) -> Element {
    let key_bytes = u32::try_from(key.len()).expect("keys are short");
    Sha256::new()
        .chain_update(key_bytes.to_le_bytes())
        .chain_update(key)
        .chain_update(value)
        .finalize()
        .into()
}

/// The value as the engine stores it.
pub(super) fn stored_value(element: &Element, value: &[u8]) -> Vec<u8> {
    [&element[..CHECK_BYTES], value].concat()
}

/// Splits a stored value and checks it; `None` if it is not what was stored under `key`.
pub(super) fn checked<'a>(key: &[u8], stored: &'a [u8]) -> Option<(&'a [u8], Element)> {
    let (check, value) = stored.split_at_checked(CHECK_BYTES)?;
    let element = element(key, value);
    element.starts_with(check).then_some((value, element))
}

/// The sum of elements: the same for the same rows in whatever order they came and went.
///
/// It finds what rots, not what an attacker who writes to our disk has computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum([u64; 4]);

impl Sum {
    /// Reads 32 bytes, little-endian.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
            *limb = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
        }
        Self(limbs)
    }

    /// 32 bytes, little-endian.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut out = [0; 32];
        for (bytes, limb) in out.chunks_exact_mut(8).zip(self.0) {
            bytes.copy_from_slice(&limb.to_le_bytes());
        }
        out
    }

    /// Adds a row.
    pub fn add(&mut self, element: &Element) {
        let mut carry = false;
        for (limb, other) in self.0.iter_mut().zip(Self::from_bytes(element).0) {
            let (sum, first) = limb.overflowing_add(other);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
    }

    /// Takes a row away.
    pub fn subtract(&mut self, element: &Element) {
        let mut borrow = false;
        for (limb, other) in self.0.iter_mut().zip(Self::from_bytes(element).0) {
            let (rest, first) = limb.overflowing_sub(other);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (rest, first || second);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_does_not_know_the_order_and_forgets_what_is_taken_away() {
        let elements: Vec<Element> = (0..100_u8).map(|index| element(&[index], b"value")).collect();
        let (mut forward, mut backward) = (Sum::default(), Sum::default());
        elements.iter().for_each(|element| forward.add(element));
        elements.iter().rev().for_each(|element| backward.add(element));
        assert_eq!(forward, backward);
        elements.iter().for_each(|element| backward.subtract(element));
        assert_eq!(backward, Sum::default());
        backward.subtract(&elements[3]);
        backward.add(&elements[3]);
        assert_eq!(backward.to_bytes(), [0; 32], "also below zero");
        assert_eq!(Sum::from_bytes(&forward.to_bytes()), forward);
    }

    #[test]
    fn a_changed_row_fails_its_check() {
        let stored = stored_value(&element(b"key", b"value"), b"value");
        assert_eq!(checked(b"key", &stored).map(|(value, _)| value), Some(&b"value"[..]));
        assert_eq!(checked(b"kez", &stored), None);
        assert_eq!(checked(b"key", &stored[..CHECK_BYTES - 1]), None);
        for bit in 0..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(checked(b"key", &flipped), None, "bit {bit}");
        }
    }
}
