//! The canonical bytes: fixed-width little-endian integers and length-prefixed lists, one encoding
//! for each value. What is hashed, signed, stored or sent is written here and nowhere else.
//!
//! Reading is bounded before it allocates: a count is compared with its limit and with the bytes
//! that are left. [`Canonical::from_bytes`] encodes again what it read and compares, so that two
//! byte strings can never mean one value.

/// Why bytes are not the canonical form of the value asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("{needed} more bytes are needed and {left} are left")]
    Truncated {
        /// Bytes that the next field takes.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A list or text is longer than its limit.
    #[error("{found} {what}, and at most {max} are allowed")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// The limit.
        max: usize,
        /// What the bytes claim.
        found: usize,
    },
    /// A number that stands for a variant or a yes/no is none of the known ones.
    #[error("{tag} is not a known {what}")]
    BadTag {
        /// What the number should have named.
        what: &'static str,
        /// The number found.
        tag: u8,
    },
    /// A public key that is weak, or not in its one canonical form.
    #[error("a public key is weak or not in canonical form")]
    BadKey,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    BadText,
    /// A content CID that is not a CIDv1 with sha2-256.
    #[error("a content id is not a CIDv1 with sha2-256")]
    BadCid,
    /// The value is complete and bytes are left over.
    #[error("{0} bytes are left over")]
    Trailing(usize),
    /// The value's parts are right and their order or form is not the canonical one.
    #[error("not the canonical form: {0}")]
    NotCanonical(&'static str),
}

/// A cursor over bytes that never allocates more than is there.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `count` bytes, borrowed.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let Some((head, rest)) = self.rest.split_at_checked(count) else {
            return Err(DecodeError::Truncated { needed: count, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes by value.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        Ok(self.take(N)?.try_into().expect("take returns exactly what was asked"))
    }

    /// A list's count, a `u32`, refused above `max` or when the bytes left can't hold that many
    /// items of at least `item_bytes_min` each.
    ///
    /// # Errors
    /// [`DecodeError::TooMany`], [`DecodeError::Truncated`].
    pub fn count(
        &mut self,
        what: &'static str,
        max: usize,
        item_bytes_min: usize,
    ) -> Result<usize, DecodeError> {
        let found = usize::try_from(u32::read(self)?).expect("32 bits fit a usize here");
        if found > max {
            return Err(DecodeError::TooMany { what, max, found });
        }
        let needed = found.saturating_mul(item_bytes_min);
        if needed > self.rest.len() {
            return Err(DecodeError::Truncated { needed, left: self.rest.len() });
        }
        Ok(found)
    }

    /// A length-prefixed byte string of at most `max` bytes, borrowed.
    ///
    /// # Errors
    /// [`DecodeError::TooMany`], [`DecodeError::Truncated`].
    pub fn bytes(&mut self, what: &'static str, max: usize) -> Result<&'a [u8], DecodeError> {
        let count = self.count(what, max, 1)?;
        self.take(count)
    }

    /// A list of at most `max` values.
    ///
    /// # Errors
    /// What [`Reader::count`] and the items give.
    pub fn list<T: Canonical>(
        &mut self,
        what: &'static str,
        max: usize,
        item_bytes_min: usize,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(what, max, item_bytes_min)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(T::read(self)?);
        }
        Ok(items)
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }
}

/// A value with exactly one byte form.
pub trait Canonical: Sized {
    /// Appends the canonical bytes to `out`.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads one value and leaves the reader behind it.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The canonical bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Reads exactly one value from all of `bytes`.
    ///
    /// # Errors
    /// Any [`DecodeError`]; [`DecodeError::NotCanonical`] when encoding again gives other bytes.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let value = Self::read(&mut reader)?;
        if reader.left() > 0 {
            return Err(DecodeError::Trailing(reader.left()));
        }
        let mut again = Vec::with_capacity(bytes.len());
        value.write(&mut again);
        if again != bytes {
            return Err(DecodeError::NotCanonical("encoding again gives other bytes"));
        }
        Ok(value)
    }
}

/// Appends a list's count.
///
/// # Panics
/// When the list is longer than a `u32` counts, which every limit of this crate excludes.
pub fn write_count(count: usize, out: &mut Vec<u8>) {
    u32::try_from(count).expect("lists are limited far below 2^32").write(out);
}

/// Appends a length-prefixed byte string.
pub fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_count(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Appends a list: its count, then its items.
pub fn write_list<T: Canonical>(items: &[T], out: &mut Vec<u8>) {
    write_count(items.len(), out);
    for item in items {
        item.write(out);
    }
}

/// The canonical bytes of a list: its count, then its items.
pub fn canonical_bytes_of_list<T: Canonical>(items: &[T]) -> Vec<u8> {
    let mut out = Vec::new();
    write_list(items, &mut out);
    out
}

macro_rules! integer {
    ($($kind:ty),*) => {$(
        impl Canonical for $kind {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(<$kind>::from_le_bytes(reader.array()?))
            }
        }
    )*};
}
integer!(u8, u16, u32, u64);

/// Implements [`Canonical`] for a struct: its fields, in the order given.
#[macro_export]
macro_rules! canonical_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::encoding::Canonical for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $( self.$field.write(out); )*
            }
            fn read(
                reader: &mut $crate::encoding::Reader<'_>,
            ) -> Result<Self, $crate::encoding::DecodeError> {
                Ok(Self { $( $field: $crate::encoding::Canonical::read(reader)?, )* })
            }
        }
    };
}
pub use canonical_struct;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_bounded_before_anything_is_allocated() {
        let claim = u32::MAX.to_bytes();
        assert_eq!(
            Reader::new(&claim).list::<u64>("numbers", 10, 8),
            Err(DecodeError::TooMany { what: "numbers", max: 10, found: 4_294_967_295 })
        );
        let claim = 9u32.to_bytes();
        assert_eq!(
            Reader::new(&claim).list::<u64>("numbers", 10, 8),
            Err(DecodeError::Truncated { needed: 72, left: 0 })
        );
    }

    /// A value whose reader is careless: it takes any byte but 0 for yes.
    #[derive(Debug, PartialEq)]
    struct Lax(bool);
    impl Canonical for Lax {
        fn write(&self, out: &mut Vec<u8>) {
            out.push(u8::from(self.0));
        }
        fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
            Ok(Self(u8::read(reader)? != 0))
        }
    }

    #[test]
    fn r1_decode_a_second_form_is_refused_also_where_a_reader_is_careless() {
        assert_eq!(Lax::from_bytes(&[1]), Ok(Lax(true)));
        assert_eq!(Lax::from_bytes(&[0]), Ok(Lax(false)));
        for second in 2..=255 {
            let why = "encoding again gives other bytes";
            assert_eq!(Lax::from_bytes(&[second]), Err(DecodeError::NotCanonical(why)));
        }
        let list = [Lax(true), Lax(false)];
        assert_eq!(canonical_bytes_of_list(&list), [2, 0, 0, 0, 1, 0]);
    }

    #[test]
    fn left_over_bytes_are_refused() {
        assert_eq!(u16::from_bytes(&[1, 2, 3]), Err(DecodeError::Trailing(1)));
        assert_eq!(u16::from_bytes(&[1, 2]), Ok(513));
        assert_eq!(u32::from_bytes(&[1]), Err(DecodeError::Truncated { needed: 4, left: 1 }));
    }
}
