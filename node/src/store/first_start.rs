//! The permission for a first start: a file `first-start` in a validator's home, which whoever
//! makes its key writes once (`quorate-testnet up`, `init` and `reset`, `quorate store init`).
//!
//! A node that finds no journal is either new, or has lost its store and with it its promises. The
//! two can't be told apart by asking others: a lock that nobody knows of binds all the same. So the
//! one who knows that the key has never voted says so, and the saying can be used once: the first
//! start makes the journal, durable, then removes the file, durable, and only then may vote.
//!
//! What it can't see: a copy of a home that still has the file in it, restored after its key has
//! voted elsewhere. Never keep one, and never start one home's copy on two machines.

use super::mark;
use crate::durable;
use crate::journal::Disk;
use crate::keyfile::address_of;
use ledger::{Keypair, NetworkId};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Longest file that is read; ours have about 170 bytes.
const BYTES_MAX: usize = 1_024;

/// Permits one first start in `home`, which is made if it is not there: this network's member with
/// this key has never voted. The caller knows that; nothing here can check it.
///
/// # Errors
/// What the file system says; nothing was permitted then.
pub fn permit(home: &Path, network: &NetworkId, keypair: &Keypair) -> io::Result<()> {
    fs::create_dir_all(home)?;
    durable::replace(&path(home), text(network, keypair).as_bytes())
}

/// The same on any disk, in a home that is there.
///
/// # Errors
/// As [`permit`].
pub fn permit_on(
    disk: &dyn Disk,
    home: &Path,
    network: &NetworkId,
    keypair: &Keypair,
) -> io::Result<()> {
    mark::keep(disk, &path(home), text(network, keypair).as_bytes())
}

/// Whether a first start of this member is permitted; a file for another network or key is none.
pub(super) fn is_permitted(
    disk: &dyn Disk,
    home: &Path,
    network: &NetworkId,
    keypair: &Keypair,
) -> io::Result<bool> {
    let found = mark::read(disk, &path(home), BYTES_MAX)?;
    Ok(found.is_some_and(|found| found == text(network, keypair).as_bytes()))
}

/// Uses the permission up, durably. The journal must be durable before.
pub(super) fn use_up(disk: &dyn Disk, home: &Path) -> io::Result<()> {
    mark::remove(disk, &path(home))
}

/// Where the permission is.
pub fn path(home: &Path) -> PathBuf {
    home.join("first-start")
}

fn text(network: &NetworkId, keypair: &Keypair) -> String {
    let key = address_of(keypair);
    format!("quorate.first-start/1\nnetwork {network}\nkey {key}\n")
}
