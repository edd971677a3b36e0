//! The part of Protocol Buffers that Bitswap needs: varints, tags, length-delimited fields.
//!
//! Reading borrows and allocates nothing; what it does not know it skips. Groups (wire types 3 and
//! 4, deprecated and used by no Bitswap peer) are malformed. What the fields mean is `message`'s
//! business. Source: protobuf.dev/programming-guides/encoding.

/// The most bytes of a varint of 64 bits, ⌈64 / 7⌉.
const VARINT_BYTES_MAX: usize = 10;

/// Bytes that are no protocol buffer: cut short, a varint too long, or an impossible tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a protocol buffer")]
pub struct Malformed;

/// One field's value; fixed-width numbers are skipped, because Bitswap has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Skipped,
}

/// The fields of one message in the order of its bytes; ends at the first error.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let (value, length) = varint(self.rest).ok_or(Malformed)?;
        self.rest = &self.rest[length..];
        Ok(value)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Malformed> {
        let tag = self.number()?;
        let field = tag >> 3;
        if field == 0 {
            return Err(Malformed);
        }
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            1 => self.take(8).map(|_| Value::Skipped)?,
            2 => {
                let length = self.number()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Skipped)?,
            _ => return Err(Malformed),
        };
        Ok((field, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// The varint at the front and its length; `None` when it is cut short or over 64 bits.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        let low = u64::from(byte & 0x7f);
        if index == VARINT_BYTES_MAX - 1 && low > 1 {
            return None;
        }
        value |= low << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Appends a varint in its shortest form.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits fit into a byte");
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends a number; zero is the default and is left out, as proto3 does.
pub(super) fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    if value != 0 {
        put_varint(out, field << 3);
        put_varint(out, value);
    }
}

/// Appends bytes or an embedded message, also when empty.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, u64::try_from(bytes.len()).expect("no machine has more than 2^64 bytes"));
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_go_there_and_back() {
        for value in [0, 1, 127, 128, 300, 1 << 22, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(varint(&bytes), Some((value, bytes.len())));
            for cut in 0..bytes.len() {
                assert_eq!(varint(&bytes[..cut]), None);
            }
        }
        assert_eq!(varint(&[0xac, 0x02]), Some((300, 2)));
    }

    #[test]
    fn a_varint_over_64_bits_is_none() {
        assert_eq!(varint(&[0xff; 11]), None);
        let mut over = [0xff; 10];
        over[9] = 2;
        assert_eq!(varint(&over), None);
    }

    #[test]
    fn bad_fields_are_malformed_and_end_the_message() {
        let check = |bytes: &[u8]| {
            let read: Vec<_> = Fields::of(bytes).collect();
            assert_eq!(read, [Err(Malformed)], "{bytes:?}");
        };
        check(&[0x00, 1]); // field 0
        check(&[0x0b, 1]); // a group
        check(&[0x0a, 2, 1]); // cut short
        check(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]); // 2^64 - 1 bytes
        check(&[0x09, 1, 2, 3]); // fixed64, cut short
    }

    #[test]
    fn unknown_widths_are_skipped() {
        let bytes = [0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4, 0x18, 5];
        let read: Result<Vec<_>, _> = Fields::of(&bytes).collect();
        let wanted = vec![(1, Value::Skipped), (2, Value::Skipped), (3, Value::Number(5))];
        assert_eq!(read, Ok(wanted));
    }
}
