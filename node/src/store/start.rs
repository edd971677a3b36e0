//! What a start finds of the journal and of the marks in a home, on any disk, and whether this
//! member may vote then. Whatever is wrong with the journal stops the voting, for good.
//!
//! | found | what is done, each step durable before the next |
//! |---|---|
//! | a journal | a permission for a first start that is still there is removed |
//! | none, and the permission | the journal is made, the permission removed: it votes |
//! | none, and no permission | the mark `silent` is left, the journal made: it never votes |
//! | a damaged journal | the mark is left, the journal stays as it is |
//! | the mark, and the operator's override | the mark is set aside: it votes |
//!
//! Not here: what the records mean (`open`).

use super::first_start;
use super::open::OpenError;
use super::silence::{self, Cause, Silence};
use crate::journal::{self, Damage, Disk, Journal, JournalError, Location, Options, Writer};
use ledger::{Keypair, NetworkId};
use std::path::Path;
use std::sync::Arc;

/// Whose home it is, and where.
#[derive(Clone, Copy, Debug)]
pub struct Home<'a> {
    /// The disk.
    pub disk: &'a Arc<dyn Disk>,
    /// The folder.
    pub path: &'a Path,
    /// The network.
    pub network: &'a NetworkId,
    /// The member's key.
    pub keypair: &'a Keypair,
}

/// A journal that is open, and what follows for the voting.
pub struct Started {
    /// The journal; nothing is written to it yet.
    pub journal: Journal,
    /// What writes it; `None` when it is damaged.
    pub writer: Option<Writer>,
    /// What was found.
    pub opened: journal::Opened,
    /// Why this member never votes, if so.
    pub silence: Option<Silence>,
}

/// Opens the journal in the home's folder `journal`, or makes one. When it returns, the permission
/// for a first start is used up, and the mark of a silence is durable. `options.create` is not
/// asked; `options.accept_damage` is the operator's override. `visit` is shown each record.
///
/// # Errors
/// `Mark`, and the journal's. A lost or damaged journal is no error here, see
/// [`Started::silence`].
pub fn start(
    home: Home<'_>,
    mut options: Options,
    visit: &mut dyn FnMut(Location, u8, &[u8]),
) -> Result<Started, OpenError> {
    let Home { disk, path, network, keypair } = home;
    let mark = OpenError::mark(path);
    let dir = path.join("journal");
    options.create = false;
    let accept_amnesia = options.accept_damage;
    let found = match Journal::open_stepped(disk.clone(), &dir, options.clone(), visit) {
        Err(JournalError::Missing { .. }) => {
            // An index comes after the journal: with one here, this is no first start.
            let has_index = disk.exists(&path.join("index"));
            let is_permitted =
                first_start::is_permitted(&**disk, path, network, keypair).map_err(&mark)?;
            if has_index || !is_permitted {
                Silence::new(Cause::StoreLost, "").keep_on(&**disk, path).map_err(&mark)?;
            }
            options.create = true;
            Journal::open_stepped(disk.clone(), &dir, options, visit)?
        }
        other => other?,
    };
    let (journal, writer, opened) = found;
    first_start::use_up(&**disk, path).map_err(&mark)?;
    let silence = silence_of(home, opened.damage.as_ref(), accept_amnesia)?;
    Ok(Started { journal, writer, opened, silence })
}

/// Why this member never votes. Damage leaves its mark; the override sets a mark aside.
fn silence_of(
    home: Home<'_>,
    damage: Option<&Damage>,
    accept_amnesia: bool,
) -> Result<Option<Silence>, OpenError> {
    let Home { disk, path, .. } = home;
    let mark = OpenError::mark(path);
    if let Some(damage) = damage {
        let found = Silence::new(Cause::StoreDamaged, &damage.to_string());
        found.keep_on(&**disk, path).map_err(&mark)?;
    }
    if accept_amnesia {
        silence::override_mark(&**disk, path).map_err(&mark)?;
    }
    Silence::read(&**disk, path).map_err(&mark)
}
