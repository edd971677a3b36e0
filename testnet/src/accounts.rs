//! The accounts of a testnet and every key in it: names and seeds.

use ledger::Keypair;
use sha2::{Digest, Sha256};

/// The first accounts' names; later ones are `acct-11`, `acct-12`, …
const NAMES: [&str; 10] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];

/// Name of the account with this index, from 0.
pub fn account_name(index: u32) -> String {
    let known = usize::try_from(index).ok().and_then(|index| NAMES.get(index));
    known.map_or_else(|| format!("acct-{}", u64::from(index) + 1), |name| (*name).into())
}

/// Name of the validator with this index, from 0.
pub fn validator_name(index: u16) -> String {
    format!("v{index}")
}

/// Where keys come from: a number that gives the same keys each time, or the operating system.
#[derive(Clone, Copy, Debug)]
pub struct KeySource {
    seed: [u8; 32],
}

impl KeySource {
    /// The same seed gives the same keys. Such keys are for tests: who knows the number has them.
    pub fn seeded(seed: u64) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"quorate testnet seed");
        hasher.update(seed.to_be_bytes());
        Self { seed: hasher.finalize().into() }
    }

    /// Fresh keys.
    pub fn random() -> Self {
        Self { seed: rand::random() }
    }

    /// The key of `label`.
    pub fn key(&self, label: &str) -> Keypair {
        Keypair::from_seed(self.derive(label))
    }

    /// Eight hexadecimal digits that tell this source's networks from others'.
    pub fn tag(&self) -> String {
        hex::encode(&self.derive("network name")[..4])
    }

    fn derive(&self, label: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.seed);
        hasher.update(label.as_bytes());
        hasher.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_keys_and_labels_differ() {
        let public = |seed, label: &str| KeySource::seeded(seed).key(label).public();
        assert_eq!(public(7, "alice"), public(7, "alice"));
        assert_ne!(public(7, "alice"), public(8, "alice"));
        assert_ne!(public(7, "alice"), public(7, "bob"));
        assert_ne!(KeySource::random().tag(), KeySource::random().tag());
    }

    #[test]
    fn accounts_have_names_for_ever() {
        assert_eq!(account_name(0), "alice");
        assert_eq!(account_name(9), "judy");
        assert_eq!(account_name(10), "acct-11");
    }
}
