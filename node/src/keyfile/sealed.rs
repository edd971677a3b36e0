//! A seed under a passphrase: argon2id makes a key of the passphrase (RFC 9106, its second
//! recommendation), and XChaCha20-Poly1305 seals the seed with it. Everything else in the file is
//! bound to it, so that nobody can weaken or swap a part unnoticed.
//!
//! What a file asks for in memory and time is bounded before it is given: whoever can put a file in
//! a program's way must not make it ask for 64 GiB.

use super::address_of;
use super::passphrase::Passphrase;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use ledger::{Address, Keypair};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// The schema that such a file names.
pub(super) const SEALED_SCHEMA: &str = "quorate.key/2";
const KDF: &str = "argon2id";

/// What is asked of who knows the passphrase, and of who guesses: 64 MiB, three passes, four lanes
/// (RFC 9106, section 4); 0.2 s on the two-core machine.
const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
/// Most memory that a file may ask for.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Most passes over it.
const PASSES_MAX: u32 = 16;
/// Most lanes.
const LANES_MAX: u32 = 16;

const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
const SEED_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// The file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealedFile {
    schema: String,
    address: Address,
    kdf: Kdf,
    nonce: String,
    sealed: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    name: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
}

/// A file whose every part has a good form, and asks for no more than is given.
pub(super) struct Checked {
    address: Address,
    cost: Cost,
    params: Params,
    salt: [u8; SALT_BYTES],
    nonce: [u8; NONCE_BYTES],
    sealed: [u8; SEED_BYTES + TAG_BYTES],
}

impl SealedFile {
    /// Seals a key under a passphrase, with new salt and nonce from the operating system.
    pub(super) fn seal(keypair: &Keypair, passphrase: &Passphrase) -> Self {
        Self::seal_with(keypair, passphrase, rand::random(), rand::random())
    }

    fn seal_with(
        keypair: &Keypair,
        passphrase: &Passphrase,
        salt: [u8; SALT_BYTES],
        nonce: [u8; NONCE_BYTES],
    ) -> Self {
        let address = address_of(keypair);
        let params = COST.params().expect("our own cost is within the bounds");
        let key = derive(&params, passphrase, &salt);
        let mut seed = Zeroizing::new(*keypair.seed());
        let cipher = XChaCha20Poly1305::new((&*key).into());
        let tag =
            cipher.encrypt_in_place_detached(&nonce.into(), &bound(&address, COST), &mut *seed);
        let tag = tag.expect("32 bytes are below the cipher's limit");
        let Cost { memory_kib, passes, lanes } = COST;
        let kdf = Kdf { name: KDF.into(), memory_kib, passes, lanes, salt: hex::encode(salt) };
        Self {
            schema: SEALED_SCHEMA.into(),
            address,
            kdf,
            nonce: hex::encode(nonce),
            sealed: hex::encode(*seed) + &hex::encode(tag),
        }
    }

    /// Looks at all that costs nothing.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn check(&self) -> Result<Checked, &'static str> {
        let Kdf { memory_kib, passes, lanes, .. } = self.kdf;
        if self.kdf.name != KDF {
            return Err("its kdf is not argon2id");
        }
        let cost = Cost { memory_kib, passes, lanes };
        let params = cost.params().ok_or("it asks for more memory or time than is given")?;
        Ok(Checked {
            address: self.address,
            cost,
            params,
            salt: bytes(&self.kdf.salt).ok_or("the salt is not 32 hexadecimal digits")?,
            nonce: bytes(&self.nonce).ok_or("the nonce is not 48 hexadecimal digits")?,
            sealed: bytes(&self.sealed).ok_or("what is sealed is not 96 hexadecimal digits")?,
        })
    }
}

impl Checked {
    /// The key; `None` for a wrong passphrase or a damaged file, which can't be told apart.
    pub(super) fn open(&self, passphrase: &Passphrase) -> Option<Keypair> {
        let key = derive(&self.params, passphrase, &self.salt);
        let (sealed, tag) = self.sealed.split_at(SEED_BYTES);
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        seed.copy_from_slice(sealed);
        let cipher = XChaCha20Poly1305::new((&*key).into());
        let bound = bound(&self.address, self.cost);
        let tag = chacha20poly1305::Tag::from_slice(tag);
        cipher.decrypt_in_place_detached(&self.nonce.into(), &bound, &mut *seed, tag).ok()?;
        Some(Keypair::from_seed(*seed))
    }
}

impl Cost {
    /// For argon2; `None` above our bounds or below argon2's.
    fn params(self) -> Option<Params> {
        let Self { memory_kib, passes, lanes } = self;
        let is_bounded = memory_kib <= MEMORY_KIB_MAX && passes <= PASSES_MAX && lanes <= LANES_MAX;
        Params::new(memory_kib, passes, lanes, Some(32)).ok().filter(|_| is_bounded)
    }
}

/// The cipher's key. Takes the memory and the time that the parameters say.
fn derive(params: &Params, passphrase: &Passphrase, salt: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let mut memory = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let derived =
        argon2.hash_password_into_with_memory(passphrase.bytes(), salt, &mut *key, &mut memory);
    derived.expect("lengths and memory are those of the parameters");
    memory.iter_mut().for_each(Zeroize::zeroize);
    key
}

/// What is bound to the seal: all of the file that is not random.
fn bound(address: &Address, cost: Cost) -> Vec<u8> {
    let Cost { memory_kib, passes, lanes } = cost;
    format!("{SEALED_SCHEMA}\n{address}\n{KDF} {memory_kib} {passes} {lanes}\n").into_bytes()
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.as_bytes()).expect("a good one")
    }

    fn sealed() -> SealedFile {
        let keypair = Keypair::from_seed([7; 32]);
        SealedFile::seal_with(&keypair, &passphrase("correct horse"), [1; 16], [2; 24])
    }

    /// Changing this file is a new schema: keys that are sealed today must open for ever.
    #[test]
    fn the_sealed_form_is_the_golden_one() {
        let golden = include_str!("../../tests/golden/sealed_key.json");
        let text = serde_json::to_string_pretty(&sealed()).expect("strings and numbers") + "\n";
        assert_eq!(text, golden);
        let file: SealedFile = serde_json::from_str(golden).expect("the golden file");
        let opened = file.check().map(|file| file.open(&passphrase("correct horse")));
        let opened = opened.expect("a good form").expect("the right passphrase");
        assert_eq!(opened.seed(), &[7; 32]);
    }

    #[test]
    fn another_passphrase_and_any_changed_part_opens_nothing() {
        let right = passphrase("correct horse");
        let opens = |file: &SealedFile, passphrase: &Passphrase| {
            file.check().ok().and_then(|file| file.open(passphrase)).is_some()
        };
        assert!(opens(&sealed(), &right));
        assert!(!opens(&sealed(), &passphrase("correct horsf")));
        let change: [fn(&mut SealedFile); 6] = [
            |file| file.address = address_of(&Keypair::from_seed([8; 32])),
            |file| file.kdf.memory_kib -= 64,
            |file| file.kdf.passes += 1,
            |file| file.kdf.salt.replace_range(0..1, "f"),
            |file| file.nonce.replace_range(0..1, "f"),
            |file| {
                file.sealed.replace_range(0..1, if &file.sealed[..1] == "0" { "1" } else { "0" })
            },
        ];
        for change in change {
            let mut file = sealed();
            change(&mut file);
            assert!(!opens(&file, &right));
        }
    }

    #[test]
    fn what_a_file_may_ask_for_is_bounded_before_it_is_given() {
        let check = |memory_kib, passes, lanes| {
            let mut file = sealed();
            (file.kdf.memory_kib, file.kdf.passes, file.kdf.lanes) = (memory_kib, passes, lanes);
            file.check().map(|_| ()).err()
        };
        let refused = Some("it asks for more memory or time than is given");
        assert_eq!(check(MEMORY_KIB_MAX, PASSES_MAX, LANES_MAX), None);
        assert_eq!(check(MEMORY_KIB_MAX + 1, 1, 1), refused);
        assert_eq!(check(64 * 1024 * 1024, 1, 1), refused);
        assert_eq!(check(1024, PASSES_MAX + 1, 1), refused);
        assert_eq!(check(1024, 1, LANES_MAX + 1), refused);
        assert_eq!(check(7, 1, 1), refused);
        assert_eq!(check(1024, 0, 1), refused);
        assert_eq!(check(1024, 1, 0), refused);
    }
}
