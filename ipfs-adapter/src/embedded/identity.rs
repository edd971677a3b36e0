//! The peer-to-peer identity: an Ed25519 key of its own in a file of mode 0600. It signs nothing
//! but libp2p's handshakes, so losing it costs only the name.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use libp2p::identity::Keypair;

/// A key file is 68 bytes; nothing longer is read.
const FILE_BYTES_MAX: u64 = 1_024;

/// Why the identity can't be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The file can't be read or written.
    #[error("the key file {path}: {kind}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        kind: io::ErrorKind,
    },
    /// Others can read it.
    #[error("the key file {path} has mode {mode:o}; run: chmod 600 {path}")]
    Mode {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds no key.
    #[error("the key file {path} holds no libp2p key; delete it and a new one is made")]
    NoKey {
        /// Which.
        path: PathBuf,
    },
}

/// Reads the key, or makes one at the first start.
///
/// # Errors
/// Every [`IdentityError`].
pub fn load_or_make(path: &Path) -> Result<Keypair, IdentityError> {
    let failed = |error: io::Error| IdentityError::Io { path: path.into(), kind: error.kind() };
    match fs::metadata(path) {
        Ok(file) => {
            let mode = file.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(IdentityError::Mode { path: path.into(), mode });
            }
            let no_key = || IdentityError::NoKey { path: path.into() };
            if file.len() > FILE_BYTES_MAX {
                return Err(no_key());
            }
            let bytes = fs::read(path).map_err(failed)?;
            Keypair::from_protobuf_encoding(&bytes).map_err(|_| no_key())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

fn make(path: &Path) -> io::Result<Keypair> {
    let keypair = Keypair::generate_ed25519();
    let bytes = keypair.to_protobuf_encoding().map_err(io::Error::other)?;
    // Whole or not at all: a half-written key would stop every later start.
    let new = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    Ok(keypair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_comes_back_and_is_kept_from_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let key = load_or_make(&path).expect("a new one");
        let again = load_or_make(&path).expect("the same");
        assert_eq!(key.public(), again.public());
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
        let refused = load_or_make(&path).err();
        assert_eq!(refused, Some(IdentityError::Mode { path: path.clone(), mode: 0o644 }));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        fs::write(&path, b"garbage").expect("it is ours");
        assert_eq!(load_or_make(&path).err(), Some(IdentityError::NoKey { path: path.clone() }));
        fs::write(&path, vec![0; 5_000]).expect("it is ours");
        assert_eq!(load_or_make(&path).err(), Some(IdentityError::NoKey { path }));
    }
}
