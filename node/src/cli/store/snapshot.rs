//! `store snapshot`, `store restore`: backups of a stopped node's ledger. They hold no promises and
//! no key, so a node restored from one never votes.

use super::super::answer::Answer;
use super::super::args::{Global, StoreRestoreArgs, StoreSnapshotArgs};
use super::{hold, member};
use crate::config::StoreConfig;
use crate::durable;
use crate::error::{CONFIG, Failure, VERIFICATION_FAILED};
use crate::index::Index;
use crate::snapshot::{SNAPSHOT_BYTES_MAX, make};
use crate::store::{self, RestoreError};
use serde_json::json;
use std::path::Path;

fn refused(what: String) -> Failure {
    Failure::new(CONFIG, what + "; nothing was written")
}

/// `store snapshot --home DIR --out FILE`.
pub fn snapshot(global: &Global, args: &StoreSnapshotArgs, home: &Path) -> Result<Answer, Failure> {
    let out = &args.out;
    if out.symlink_metadata().is_ok() {
        let what = format!("{} is there already", out.display());
        return Err(refused(what).help("name a new file with --out FILE"));
    }
    let (network, keypair, member) = member(global, &args.files, home)?;
    let _held = hold(home)?;
    // The index as it is: the node's next start changes its engine, if that is to be.
    let index = Index::engine_in(&home.join("index")).unwrap_or_default();
    let config = StoreConfig { index, ..StoreConfig::default() };
    let opened = store::open(home, &network, member, &keypair, &config);
    let opened = opened.map_err(|error| refused(format!("the store: {error}")))?;
    if let Some(damage) = opened.damage {
        let what = format!("the store is damaged: {damage}");
        let help = format!("quorate store verify --home {}", home.display());
        return Err(refused(what).help(help));
    }
    let made = make::make(&opened.store, &network, &|| false);
    let made = made.and_then(|snapshot| Ok((snapshot.applied, make::bytes_of(&snapshot)?)));
    let (applied, bytes) = made.map_err(|error| refused(format!("no snapshot: {error}")))?;
    durable::replace(out, &bytes)
        .map_err(|error| refused(format!("writing {}: {error}", out.display())))?;
    let (size, path) = (bytes.len(), out.display());
    let document = json!({
        "schema": "quorate.store-snapshot/1", "ok": true, "file": out.display().to_string(),
        "bytes": size, "applied": applied,
    });
    let text = format!(
        "{path}: {applied} transfers in {size} bytes\n\
         Whoever starts from it serves and never votes: it holds no promises and no key.\n"
    );
    Ok(Answer::new(document, text))
}

/// The command that removes what a restore began.
fn remove(home: &Path) -> String {
    format!("rm -r {}", home.join("journal").display())
}

/// `store restore --home DIR FILE`.
pub fn restore(global: &Global, args: &StoreRestoreArgs, home: &Path) -> Result<Answer, Failure> {
    let path = args.file.display();
    let meta = std::fs::metadata(&args.file);
    let size = meta.map_err(|error| refused(format!("reading {path}: {error}")))?.len();
    if usize::try_from(size).map_or(true, |size| size > SNAPSHOT_BYTES_MAX) {
        let what = format!("{path} has {size} bytes, and a snapshot at most {SNAPSHOT_BYTES_MAX}");
        return Err(refused(what).help("name a snapshot file"));
    }
    let (network, _, _) = member(global, &args.files, home)?;
    let bytes = std::fs::read(&args.file);
    let bytes = bytes.map_err(|error| refused(format!("reading {path}: {error}")))?;
    std::fs::create_dir_all(home)
        .map_err(|error| refused(format!("{}: {error}", home.display())))?;
    let _held = hold(home)?;
    let restored = store::restore(home, &network, &bytes).map_err(|error| match &error {
        RestoreError::Snapshot(_) => {
            Failure::new(VERIFICATION_FAILED, format!("{path}: {error}; nothing was written"))
                .help("take another snapshot")
        }
        RestoreError::NotEmpty => {
            let what = format!("{}: {error}, with a store or empty", home.display());
            refused(what)
                .help("name an empty home with --home DIR")
                .help(format!("if it is what a failed restore left: {}", remove(home)))
        }
        RestoreError::Mark(_) => {
            let what = format!("{}: {error}; no store was made", home.display());
            Failure::new(CONFIG, what).help("make the home writable and try again")
        }
        RestoreError::Journal(_) => {
            let what = format!("{}: {error}; the store is not complete", home.display());
            Failure::new(CONFIG, what).help(format!("{}, then try again", remove(home)))
        }
    })?;
    let (applied, tokens) = (restored.tips.applied(), restored.moved.len());
    let document = json!({
        "schema": "quorate.store-restore/1", "ok": true, "applied": applied, "tokens": tokens,
        "votes": false,
    });
    let text = format!(
        "{applied} transfers and {tokens} moved tokens, all proved, are in {}\n\
         This validator will not vote: a snapshot holds no promises. It serves, and catches up \
         with the rest.\n",
        home.display()
    );
    Ok(Answer::new(document, text))
}
