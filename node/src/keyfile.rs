//! Key files: one secret key as JSON, readable by its owner alone. Nothing here prints a seed.
//!
//! `{"schema":"quorate.key/1","address":"did:key:z6Mk…","seed":"64 hexadecimal digits"}`

use crate::error::{Failure, KEY_FILE};
use ledger::{Address, Keypair};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

/// The schema that the file names.
pub const KEY_SCHEMA: &str = "quorate.key/1";
/// Longest file that is read; ours have about 190 bytes.
const KEY_FILE_BYTES_MAX: u64 = 4_096;
/// Only the owner reads and writes.
const MODE: u32 = 0o600;
/// Bits that nobody else may have.
const OTHERS: u32 = 0o077;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    schema: String,
    address: Address,
    seed: String,
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

/// The address of a key.
pub fn address_of(keypair: &Keypair) -> Address {
    Address(keypair.public())
}

/// A new key from the operating system's randomness.
pub fn generate() -> Keypair {
    let seed = Zeroizing::new(rand::random::<[u8; 32]>());
    Keypair::from_seed(*seed)
}

/// Writes a new key file, mode 0600, and syncs it. An existing file is never touched.
///
/// # Errors
/// `key_file` when the file exists or can't be written.
pub fn create(path: &Path, keypair: &Keypair) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let what = format!("key file {}: {error}; no key was written", path.display());
        Failure::new(KEY_FILE, what).help("choose a path that does not exist yet")
    };
    let file = KeyFile {
        schema: KEY_SCHEMA.into(),
        address: address_of(keypair),
        seed: hex::encode(keypair.seed()),
    };
    let text = serde_json::to_string_pretty(&file).expect("strings only");
    let text = Zeroizing::new(text + "\n");
    let mut out =
        OpenOptions::new().write(true).create_new(true).mode(MODE).open(path).map_err(failed)?;
    let written = out.write_all(text.as_bytes()).and_then(|()| out.sync_all());
    written.map_err(|error| {
        // Half a key helps nobody, and its name would be taken.
        drop(std::fs::remove_file(path));
        failed(error)
    })
}

/// Reads a key file.
///
/// # Errors
/// `key_file` when it can't be read, others can read it, or it is no key file.
pub fn load(path: &Path) -> Result<Keypair, Failure> {
    let shown = path.display();
    let failed = |what: String| {
        Failure::new(KEY_FILE, format!("key file {shown}: {what}; nothing was signed or sent"))
    };
    let unreadable = |error: std::io::Error| {
        failed(error.to_string()).help(format!("make a new one with: quorate keys new {shown}"))
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & OTHERS != 0 {
        let what = format!("others can read it (mode {:03o})", mode & 0o777);
        return Err(failed(what).help(format!("chmod 600 {shown}")));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    // serde's own message could quote a part of the secret.
    let damaged = |what: &str| {
        failed(format!("{what}; expected {{\"schema\":\"{KEY_SCHEMA}\",\"address\",\"seed\"}}"))
            .help(format!("check with: quorate keys show {shown}"))
    };
    let parsed: KeyFile =
        serde_json::from_str(&text).map_err(|_| damaged("it is not a key file"))?;
    if parsed.schema != KEY_SCHEMA {
        return Err(damaged("it names another schema"));
    }
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(&parsed.seed, &mut *seed)
        .map_err(|_| damaged("the seed is not 64 hexadecimal digits"))?;
    let keypair = Keypair::from_seed(*seed);
    if address_of(&keypair) != parsed.address {
        return Err(damaged("the seed is not that of the address"));
    }
    Ok(keypair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str, mode: u32) {
        std::fs::write(path, text).expect("written");
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, permissions).expect("changed");
    }

    fn refused(path: &Path, wanted: &str) {
        let failure = load(path).expect_err("refused");
        assert_eq!(failure.code, KEY_FILE);
        assert!(failure.message.contains(wanted), "{}", failure.message);
        assert!(!failure.help.is_empty());
    }

    #[test]
    fn a_key_comes_back_and_the_file_is_ours_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.json");
        let keypair = generate();
        create(&path, &keypair).expect("created");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(load(&path).expect("loaded").public(), keypair.public());
        let again = create(&path, &generate()).expect_err("it exists");
        assert_eq!(again.code, KEY_FILE);
        assert_eq!(load(&path).expect("untouched").public(), keypair.public());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.json");
        create(&path, &generate()).expect("created");
        for mode in [0o640, 0o604, 0o660, 0o601] {
            let text = std::fs::read_to_string(&path).expect("ours");
            write(&path, &text, mode);
            refused(&path, "others can read it");
        }
    }

    #[test]
    fn damage_is_told_and_never_quotes_the_seed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.json");
        refused(&path, "No such file");
        let keypair = Keypair::from_seed([7; 32]);
        create(&path, &keypair).expect("created");
        let text = std::fs::read_to_string(&path).expect("ours");
        let seed = hex::encode([7; 32]);
        let other = address_of(&Keypair::from_seed([8; 32])).to_string();
        let cases = [
            (text.replace("quorate.key/1", "quorate.key/2"), "another schema"),
            (text.replace(&seed, &seed[1..]), "not 64 hexadecimal digits"),
            (text.replace(&address_of(&keypair).to_string(), &other), "not that of the address"),
            (text.replace("\"seed\":", "\"seeds\":"), "not a key file"),
            (seed.clone(), "not a key file"),
            (String::new(), "not a key file"),
        ];
        for (damaged, wanted) in cases {
            write(&path, &damaged, MODE);
            refused(&path, wanted);
            let message = load(&path).expect_err("refused").message;
            assert!(!message.contains(&seed), "{message}");
        }
    }
}
