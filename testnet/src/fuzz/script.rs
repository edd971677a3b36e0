//! Arbitrary bytes read as a script: small numbers, choices and pieces, zeros when they end. So
//! every input means something, and a fuzzer's small change is a small change of the run.

/// Most bytes of a piece that a script inserts.
const PIECE_BYTES_MAX: usize = 64;

/// A cursor over a script.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    pub fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes, or fewer where it ends.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (head, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        head
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(self.rest.len())
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// The next two bytes, little-endian.
    pub fn number(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A choice below `count`, which is not 0.
    pub fn below(&mut self, count: usize) -> usize {
        let number = if count > 256 { self.number() } else { u16::from(self.byte()) };
        usize::from(number) % count
    }

    /// One of these.
    pub fn one_of<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.below(items.len())]
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// A piece that says its own length, one byte.
    pub fn piece(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte());
        self.take(count.min(PIECE_BYTES_MAX))
    }

    /// `base` with so many of the script's changes as it says, at most `count_max`.
    pub fn changed(&mut self, base: &[u8], count_max: usize) -> Vec<u8> {
        let mut bytes = base.to_vec();
        for _ in 0..=self.below(count_max.max(1)) {
            self.change(&mut bytes);
        }
        bytes
    }

    /// One change: a bit, a byte, a number up or down, a cut, a piece more or less or twice.
    pub fn change(&mut self, bytes: &mut Vec<u8>) {
        let kind = self.byte();
        if bytes.is_empty() {
            bytes.extend_from_slice(self.piece());
            return;
        }
        let at = self.below(bytes.len());
        match kind % 9 {
            0 => bytes[at] ^= 1 << (self.byte() % 8),
            1 => bytes[at] = self.byte(),
            2 => bytes[at] = bytes[at].wrapping_add(1),
            3 => bytes[at] = bytes[at].wrapping_sub(1),
            4 => bytes.truncate(at),
            5 => {
                let until = (at + 1 + usize::from(self.byte())).min(bytes.len());
                bytes.drain(at..until);
            }
            6 => {
                let piece = self.piece().to_vec();
                bytes.splice(at..at, piece);
            }
            7 => {
                let until = (at + 1 + usize::from(self.byte())).min(bytes.len());
                let twice = bytes[at..until].to_vec();
                bytes.splice(at..at, twice);
            }
            _ => {
                let until = (at + 4).min(bytes.len());
                let number = self.take(4);
                bytes.splice(at..until, number.iter().copied());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_is_over_says_zero_and_changes_stay_in_bounds() {
        let mut script = Script::new(&[7]);
        assert_eq!((script.byte(), script.byte(), script.number()), (7, 0, 0));
        assert!(script.is_over() && script.rest().is_empty() && !script.flag());
        for kind in 0..=255 {
            for at in [0, 1, 4, 255] {
                for base in [&[][..], &[1], &[1, 2, 3, 4, 5]] {
                    Script::new(&[8, kind, at, 3, 9, 9, 9]).changed(base, 9);
                }
            }
        }
    }
}
