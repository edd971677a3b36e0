//! `keys new`, `keys show`, `keys passphrase`, `address`: key files; the secret is never shown.

use super::answer::Answer;
use super::args::{Global, KeysCommand, NewKeyArgs, PassphraseArgs};
use crate::error::Failure;
use crate::keyfile;
use crate::keyfile::passphrase::{Passphrase, Unlock};
use ledger::Address;
use serde_json::json;
use std::io::IsTerminal;
use std::path::Path;

/// `keys …`.
pub fn keys(global: &Global, command: &KeysCommand) -> Result<Answer, Failure> {
    match command {
        KeysCommand::New(args) => new(global, args),
        KeysCommand::Show(args) => show(&args.file),
        KeysCommand::Passphrase(args) => passphrase(global, args),
    }
}

/// How key files are opened: by the file that is named, or by asking who sits at a terminal.
pub fn unlock(global: &Global) -> Unlock {
    let file = global.passphrase_file.clone().filter(|file| !file.as_os_str().is_empty());
    let may_ask = std::io::stderr().is_terminal() && !global.json;
    Unlock { file, may_ask }
}

fn new(global: &Global, args: &NewKeyArgs) -> Result<Answer, Failure> {
    let passphrase = match unlock(global).file {
        Some(file) => Some(Passphrase::of_file(&file)?),
        None if args.passphrase => Some(Passphrase::ask_new()?),
        None => None,
    };
    let keypair = keyfile::generate();
    match &passphrase {
        Some(passphrase) => keyfile::create_sealed(&args.file, &keypair, passphrase)?,
        None => keyfile::create(&args.file, &keypair)?,
    }
    let address = keyfile::address_of(&keypair);
    let who = match passphrase {
        Some(_) => "whoever reads it and knows the passphrase",
        None => "whoever reads it",
    };
    let text = format!("{address}\nnew key in {}; {who} owns its tokens\n", args.file.display());
    answer(&args.file, &address, text)
}

fn passphrase(global: &Global, args: &PassphraseArgs) -> Result<Answer, Failure> {
    let to = match &args.new_passphrase_file {
        Some(file) => Some(Passphrase::of_file(file)?),
        None if args.remove => None,
        None => Some(Passphrase::ask_new()?),
    };
    let keypair = keyfile::change(&args.file, &unlock(global), to.as_ref())?;
    let address = keyfile::address_of(&keypair);
    let now = if to.is_some() { "under its new passphrase" } else { "under no passphrase" };
    let text = format!("{address}\nthe key in {} is {now}\n", args.file.display());
    answer(&args.file, &address, text)
}

/// `keys show`, `address`.
pub fn show(file: &Path) -> Result<Answer, Failure> {
    let address = keyfile::address_in(file)?;
    answer(file, &address, address.to_string())
}

fn answer(file: &Path, address: &Address, text: String) -> Result<Answer, Failure> {
    let has_passphrase = keyfile::is_sealed(file)?;
    let document = json!({
        "schema": "quorate.address/1",
        "ok": true,
        "address": address,
        "file": file.display().to_string(),
        "passphrase": has_passphrase,
    });
    Ok(Answer::new(document, text))
}
