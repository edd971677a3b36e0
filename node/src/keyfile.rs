//! Key files: one secret key as JSON, readable by its owner alone. Nothing here prints a seed.
//!
//! ```text
//! {"schema":"quorate.key/1","address":"did:key:z6Mk…","seed":"64 hexadecimal digits"}
//! {"schema":"quorate.key/2","address":"did:key:z6Mk…","kdf":{…},"nonce":"…","sealed":"…"}
//! ```
//!
//! The second form holds the seed under a passphrase, see `keyfile/sealed.rs`; the address is
//! readable in both. Buffers that held a secret are wiped, and are never grown while they hold it,
//! because a grown one leaves a copy behind. What the compiler copies on the stack is not.

pub mod passphrase;
mod sealed;

use crate::error::{Failure, KEY_FILE};
use ledger::{Address, Keypair};
use passphrase::{Passphrase, Unlock};
use sealed::{SEALED_SCHEMA, SealedFile};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

/// The schema that the file names.
pub const KEY_SCHEMA: &str = "quorate.key/1";
/// Longest file that is read; ours have about 190 and 520 bytes.
const KEY_FILE_BYTES_MAX: usize = 4_096;
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

/// What every form of key file says about itself.
#[derive(Deserialize)]
struct Head {
    schema: String,
    address: Address,
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

/// Writes a new key file, mode 0600, and syncs it; the key is readable in it. An existing file is
/// never touched.
///
/// # Errors
/// `key_file` when the file exists or can't be written.
pub fn create(path: &Path, keypair: &Keypair) -> Result<(), Failure> {
    write_new(path, &text_of(keypair, None)).map_err(|error| not_written(path, &error))
}

/// Writes a new key file under a passphrase.
///
/// # Errors
/// As [`create`].
pub fn create_sealed(
    path: &Path,
    keypair: &Keypair,
    passphrase: &Passphrase,
) -> Result<(), Failure> {
    let text = text_of(keypair, Some(passphrase));
    write_new(path, &text).map_err(|error| not_written(path, &error))
}

/// Puts a key file's key under another passphrase, or under none: all of the new file is durable
/// before it takes the old one's name. What the old one held may still be on the disk.
///
/// # Errors
/// As [`open`], and when nothing can be written beside the file.
pub fn change(path: &Path, unlock: &Unlock, to: Option<&Passphrase>) -> Result<Keypair, Failure> {
    let keypair = open(path, unlock)?;
    let replaced = crate::durable::replace(path, text_of(&keypair, to).as_bytes());
    replaced.map_err(|error| not_written(path, &error))?;
    Ok(keypair)
}

/// Reads a key file that needs no passphrase.
///
/// # Errors
/// `key_file` when it can't be read, others can read it, it is no key file, or it is under a
/// passphrase.
pub fn load(path: &Path) -> Result<Keypair, Failure> {
    open(path, &Unlock::default())
}

/// Reads a key file, under a passphrase or not.
///
/// # Errors
/// As [`load`]; for a wrong passphrase, or where there is none to be had.
pub fn open(path: &Path, unlock: &Unlock) -> Result<Keypair, Failure> {
    let text = read(path)?;
    let keypair = if head(path, &text)?.schema == SEALED_SCHEMA {
        let file: SealedFile =
            serde_json::from_str(&text).map_err(|_| damaged(path, "it is not a key file"))?;
        // What costs memory is bounded before anybody is asked for a passphrase.
        let sealed = file.check().map_err(|what| damaged(path, what))?;
        let passphrase = unlock.passphrase(path)?;
        sealed.open(&passphrase).ok_or_else(|| {
            let what = "the passphrase is wrong, or the file is damaged";
            failed(path, what).help("give the passphrase that the file was made with")
        })?
    } else {
        open_plain(path, &text)?
    };
    if address_of(&keypair) != head(path, &text)?.address {
        return Err(damaged(path, "the seed is not that of the address"));
    }
    Ok(keypair)
}

/// The address that a key file names; of one under a passphrase it is not proven by the key.
///
/// # Errors
/// As [`load`], but for the passphrase.
pub fn address_in(path: &Path) -> Result<Address, Failure> {
    let text = read(path)?;
    let head = head(path, &text)?;
    if head.schema == SEALED_SCHEMA { Ok(head.address) } else { Ok(address_of(&load(path)?)) }
}

/// Whether a key file is under a passphrase.
///
/// # Errors
/// As [`address_in`].
pub fn is_sealed(path: &Path) -> Result<bool, Failure> {
    Ok(head(path, &read(path)?)?.schema == SEALED_SCHEMA)
}

fn open_plain(path: &Path, text: &str) -> Result<Keypair, Failure> {
    let parsed: KeyFile =
        serde_json::from_str(text).map_err(|_| damaged(path, "it is not a key file"))?;
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(&parsed.seed, &mut *seed)
        .map_err(|_| damaged(path, "the seed is not 64 hexadecimal digits"))?;
    Ok(Keypair::from_seed(*seed))
}

/// Schema and address; the secret is skipped.
fn head(path: &Path, text: &str) -> Result<Head, Failure> {
    // serde's own message could quote a part of the secret.
    let head: Head =
        serde_json::from_str(text).map_err(|_| damaged(path, "it is not a key file"))?;
    match head.schema.as_str() {
        KEY_SCHEMA | SEALED_SCHEMA => Ok(head),
        _ => Err(damaged(path, "it names another schema")),
    }
}

/// A key file's text.
fn text_of(keypair: &Keypair, passphrase: Option<&Passphrase>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(Vec::with_capacity(KEY_FILE_BYTES_MAX));
    let written = match passphrase {
        Some(passphrase) => {
            let file = SealedFile::seal(keypair, passphrase);
            serde_json::to_writer_pretty(&mut *text, &file)
        }
        None => {
            let (schema, address) = (KEY_SCHEMA.into(), address_of(keypair));
            let file = KeyFile { schema, address, seed: hex::encode(keypair.seed()) };
            serde_json::to_writer_pretty(&mut *text, &file)
        }
    };
    written.expect("strings and numbers only, into memory");
    text.push(b'\n');
    assert!(text.capacity() == KEY_FILE_BYTES_MAX, "it never grew");
    let text = String::from_utf8(std::mem::take(&mut *text));
    Zeroizing::new(text.expect("JSON is UTF-8"))
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut out = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    let written = out.write_all(text.as_bytes()).and_then(|()| out.sync_all());
    if written.is_err() {
        // Half a key helps nobody, and its name would be taken.
        drop(std::fs::remove_file(path));
    }
    written
}

/// The text of a small secret file that nobody else can read.
fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        failed(path, &error.to_string())
            .help(format!("make a new one with: quorate keys new {shown}"))
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & OTHERS != 0 {
        let what = format!("others can read it (mode {:03o})", mode & 0o777);
        return Err(failed(path, &what).help(format!("chmod 600 {shown}")));
    }
    let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES_MAX + 1));
    let most = u64::try_from(KEY_FILE_BYTES_MAX).expect("small");
    file.take(most).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn failed(path: &Path, what: &str) -> Failure {
    let shown = path.display();
    Failure::new(KEY_FILE, format!("key file {shown}: {what}; nothing was signed or sent"))
}

fn damaged(path: &Path, what: &str) -> Failure {
    let what = format!("{what}; expected {{\"schema\":\"{KEY_SCHEMA}\",\"address\",\"seed\"}}");
    failed(path, &what).help(format!("check with: quorate keys show {}", path.display()))
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    let what = format!("key file {}: {error}; no key was written", path.display());
    Failure::new(KEY_FILE, what).help("choose a path that does not exist yet")
}

#[cfg(test)]
mod tests;
