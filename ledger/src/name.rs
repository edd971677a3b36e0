//! Names of members and networks: short, lower-case, safe in file names, tables and log lines.

use crate::encoding::{Canonical, DecodeError, Reader, write_bytes};
use std::fmt;

/// 1 to 32 of `a-z`, `0-9` and `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// A text that can't be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 32 lower-case letters, digits and dashes, and this is not: {0:?}")]
pub struct BadName(pub String);

/// Longest name, bytes.
pub const NAME_BYTES_MAX: usize = 32;

impl Name {
    /// Takes a text as a name.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn new(text: &str) -> Result<Self, BadName> {
        let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_good) {
            Ok(Self(text.to_string()))
        } else {
            Err(BadName(text.chars().take(60).collect()))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl Canonical for Name {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self.0.as_bytes(), out);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = reader.bytes("bytes in a name", NAME_BYTES_MAX)?;
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::BadText)?;
        Self::new(text).map_err(|_| DecodeError::NotCanonical("not a name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_strict() {
        for good in ["v0", "a", "testnet-7", &"x".repeat(32)] {
            assert_eq!(Name::new(good).map(|name| name.to_string()), Ok(good.to_string()));
        }
        for bad in ["", "V0", "a b", "../x", "ü", &"x".repeat(33)] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }
}
