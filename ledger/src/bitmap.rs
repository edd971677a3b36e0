//! Bitmaps: which transfers of a batch a vote is for. Exactly as many bits as the batch has
//! entries.

use crate::encoding::{Canonical, DecodeError, Reader};
use std::fmt;

/// Most bits: the most entries of a batch.
pub const BITS_MAX: usize = 4_096;

/// `count` bits; bit `index` is for entry `index` of the batch. The spare bits of the last byte are
/// zero.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bitmap {
    count: u32,
    bytes: Vec<u8>,
}

impl Bitmap {
    /// No bit set.
    ///
    /// # Panics
    /// Above 4,096 bits.
    pub fn empty(count: usize) -> Self {
        assert!(count <= BITS_MAX);
        let bytes = vec![0; count.div_ceil(8)];
        Self { count: u32::try_from(count).expect("at most 4,096"), bytes }
    }

    /// Bit `i` is `bits[i]`.
    ///
    /// # Panics
    /// Above 4,096 bits.
    pub fn from_bools(bits: &[bool]) -> Self {
        let mut bitmap = Self::empty(bits.len());
        for (index, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
            bitmap.set(index);
        }
        bitmap
    }

    /// How many bits there are.
    pub fn count(&self) -> usize {
        usize::try_from(self.count).expect("at most 4,096")
    }

    /// Sets one bit.
    ///
    /// # Panics
    /// When `index` is not below the count.
    pub fn set(&mut self, index: usize) {
        assert!(index < self.count());
        self.bytes[index / 8] |= 1 << (index % 8);
    }

    /// Clears one bit; nothing happens from the count on.
    pub fn clear(&mut self, index: usize) {
        if index < self.count() {
            self.bytes[index / 8] &= !(1 << (index % 8));
        }
    }

    /// Whether the bit is set; false from the count on.
    pub fn has(&self, index: usize) -> bool {
        index < self.count() && self.bytes[index / 8] >> (index % 8) & 1 == 1
    }

    /// How many bits are set.
    pub fn ones(&self) -> usize {
        let ones = |byte: &u8| usize::try_from(byte.count_ones()).expect("at most 8");
        self.bytes.iter().map(ones).sum()
    }

    /// The indexes of the set bits, ascending.
    pub fn indexes(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.count()).filter(|index| self.has(*index))
    }

    /// Whether every bit of `other` is set here too. False when the counts differ.
    pub fn covers(&self, other: &Bitmap) -> bool {
        self.count == other.count
            && self.bytes.iter().zip(&other.bytes).all(|(ours, theirs)| ours & theirs == *theirs)
    }

    /// Sets every bit that is set in `other`.
    ///
    /// # Panics
    /// When the counts differ.
    pub fn add(&mut self, other: &Bitmap) {
        assert_eq!(self.count, other.count);
        for (ours, theirs) in self.bytes.iter_mut().zip(&other.bytes) {
            *ours |= theirs;
        }
    }

    /// The bits of `self` that are not in `other`.
    ///
    /// # Panics
    /// When the counts differ.
    pub fn without(&self, other: &Bitmap) -> Bitmap {
        assert_eq!(self.count, other.count);
        let bytes = self.bytes.iter().zip(&other.bytes).map(|(a, b)| a & !b).collect();
        Bitmap { count: self.count, bytes }
    }
}

impl fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ones(), self.count)
    }
}

impl Canonical for Bitmap {
    fn write(&self, out: &mut Vec<u8>) {
        self.count.write(out);
        out.extend_from_slice(&self.bytes);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.count("bits in a bitmap", BITS_MAX, 0)?;
        let bytes = reader.take(count.div_ceil(8))?.to_vec();
        let spare = count % 8;
        if spare > 0 && bytes.last().is_some_and(|last| last >> spare != 0) {
            return Err(DecodeError::NotCanonical("bits past the count are set"));
        }
        Ok(Self { count: u32::try_from(count).expect("at most 4,096"), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_past_the_count_are_refused() {
        let bitmap = Bitmap::from_bools(&[true, false, true]);
        assert_eq!(Bitmap::from_bytes(&bitmap.to_bytes()), Ok(bitmap.clone()));
        let mut bytes = bitmap.to_bytes();
        *bytes.last_mut().expect("one byte") |= 0b1000;
        assert!(matches!(Bitmap::from_bytes(&bytes), Err(DecodeError::NotCanonical(_))));
        assert!(matches!(
            Bitmap::from_bytes(&4_097u32.to_bytes()),
            Err(DecodeError::TooMany { found: 4_097, .. })
        ));
    }

    #[test]
    fn sets() {
        let mut bitmap =
            Bitmap::from_bools(&[true, false, true, false, false, false, false, false, true]);
        assert_eq!(bitmap.indexes().collect::<Vec<_>>(), [0, 2, 8]);
        assert_eq!(bitmap.ones(), 3);
        let smaller =
            Bitmap::from_bools(&[true, false, false, false, false, false, false, false, true]);
        assert!(bitmap.covers(&smaller) && !smaller.covers(&bitmap));
        assert_eq!(bitmap.without(&smaller).indexes().collect::<Vec<_>>(), [2]);
        let mut one = Bitmap::empty(9);
        one.set(1);
        bitmap.add(&one);
        assert!(bitmap.has(1) && !bitmap.has(9) && !bitmap.has(100));
        assert!(!bitmap.covers(&Bitmap::empty(8)));
    }

    #[test]
    fn a_bit_once_set_stays_set_and_a_cleared_one_takes_no_other_along() {
        for count in 1..=17 {
            let all = Bitmap::from_bools(&vec![true; count]);
            assert!(!all.has(count), "{count} fill the last byte or not");
            for index in 0..count {
                let mut one = Bitmap::empty(count);
                one.set(index);
                one.set(index);
                assert_eq!(one.indexes().collect::<Vec<_>>(), [index]);
                let mut sum = all.clone();
                sum.add(&one);
                assert_eq!(sum, all, "what both have stays");
                let mut rest = all.clone();
                rest.clear(index);
                rest.clear(index);
                rest.clear(count);
                assert_eq!(rest, all.without(&one));
                assert_eq!((rest.ones(), rest.has(index)), (count - 1, false));
            }
        }
    }
}
