//! `keys new`, `keys show`, `address`: key files; the secret is never shown.

use super::answer::Answer;
use super::args::KeysCommand;
use crate::error::Failure;
use crate::keyfile;
use serde_json::json;
use std::path::Path;

/// `keys …`.
pub fn keys(command: &KeysCommand) -> Result<Answer, Failure> {
    match command {
        KeysCommand::New(args) => {
            let keypair = keyfile::generate();
            keyfile::create(&args.file, &keypair)?;
            let address = keyfile::address_of(&keypair);
            let shown = args.file.display();
            let text = format!("{address}\nnew key in {shown}; whoever reads it owns its tokens\n");
            Ok(Answer::new(document(&args.file, &address.to_string()), text))
        }
        KeysCommand::Show(args) => show(&args.file),
    }
}

/// `keys show`, `address`.
pub fn show(file: &Path) -> Result<Answer, Failure> {
    let address = keyfile::address_of(&keyfile::load(file)?).to_string();
    Ok(Answer::new(document(file, &address), address))
}

fn document(file: &Path, address: &str) -> serde_json::Value {
    json!({"schema": "quorate.address/1", "ok": true, "address": address, "file": file})
}
