//! Checking many signatures at once: here one after the other.

use super::{Error, Signature, VerificationKey, VerificationKeyBytes, symbol};

/// One signature to check.
#[derive(Clone, Debug)]
pub struct Item {
    key: VerificationKey,
    signature: Signature,
    expected: Signature,
}

impl<M: AsRef<[u8]> + ?Sized> From<(VerificationKeyBytes, Signature, &M)> for Item {
    fn from((key, signature, message): (VerificationKeyBytes, Signature, &M)) -> Self {
        let bytes: [u8; 32] = key.into();
        let expected = symbol(&bytes, message.as_ref());
        Self { key: VerificationKey(bytes), signature, expected }
    }
}

impl Item {
    /// Whether it holds.
    ///
    /// # Errors
    /// When not.
    pub fn verify_single(self) -> Result<(), Error> {
        if self.signature == self.expected { Ok(()) } else { Err(Error) }
    }

    /// Whose it is said to be.
    pub fn key(&self) -> VerificationKey {
        self.key
    }
}

/// Collects signatures.
#[derive(Debug, Default)]
pub struct Verifier {
    items: Vec<Item>,
}

impl Verifier {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more.
    pub fn queue<I: Into<Item>>(&mut self, item: I) {
        self.items.push(item.into());
    }

    /// Whether all of them hold. The generator weighs nothing here.
    ///
    /// # Errors
    /// When one of them does not.
    pub fn verify<R>(self, _rng: R) -> Result<(), Error> {
        self.items.into_iter().try_for_each(Item::verify_single)
    }
}
