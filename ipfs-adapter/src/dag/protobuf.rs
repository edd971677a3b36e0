//! The part of protobuf that dag-pb and UnixFS need: varints and byte strings.
//!
//! Strict, as the dag-pb specification asks of decoders: only the shortest form of a number is
//! read, and nothing is allocated here.

/// A field's value. Fixed-width values and groups do not occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Number(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
}

/// Not protobuf, or not in its shortest form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The fields of one message, in the order of the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// Where the next field begins: behind the value that was read last.
    pub(crate) fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// The next field's number and value; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            2 => {
                let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            _ => return Err(Malformed),
        };
        Ok(Some((tag >> 3, value)))
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(Malformed)?;
            self.rest = rest;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(Malformed);
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                let is_shortest = *byte != 0 || shift == 0;
                return if is_shortest { Ok(number) } else { Err(Malformed) };
            }
        }
        Err(Malformed)
    }
}

/// Appends a field with a number.
pub(crate) fn put_number(bytes: &mut Vec<u8>, field: u8, number: u64) {
    varint(bytes, u64::from(field) << 3);
    varint(bytes, number);
}

/// Appends a field with bytes.
pub(crate) fn put_bytes(bytes: &mut Vec<u8>, field: u8, value: &[u8]) {
    varint(bytes, u64::from(field) << 3 | 2);
    varint(bytes, crate::blockstore::size_of(value));
    bytes.extend_from_slice(value);
}

fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_go_there_and_back() {
        let numbers = [0, 1, 127, 128, 300, u64::MAX >> 1, u64::MAX];
        let mut bytes = Vec::new();
        for number in numbers {
            put_number(&mut bytes, 3, number);
            put_bytes(&mut bytes, 2, &number.to_le_bytes());
        }
        let mut fields = Fields::new(&bytes);
        for number in numbers {
            assert_eq!(fields.next(), Ok(Some((3, Value::Number(number)))));
            assert_eq!(fields.next(), Ok(Some((2, Value::Bytes(&number.to_le_bytes())))));
        }
        assert_eq!(fields.next(), Ok(None));
    }

    #[test]
    fn what_is_longer_than_it_need_be_or_cut_off_is_refused() {
        let check =
            |bytes: &[u8]| assert_eq!(Fields::new(bytes).next(), Err(Malformed), "{bytes:?}");
        check(&[0x18]); // no value
        check(&[0x18, 0x80]); // cut off
        check(&[0x18, 0x80, 0x00]); // 0 in two bytes
        check(&[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]); // 65 bits
        check(&[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00]);
        check(&[0x12, 0x02, 0x00]); // one byte of two
        check(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]); // 2^64 bytes
        check(&[0x1d, 0, 0, 0, 0]); // wire type 5
    }
}
