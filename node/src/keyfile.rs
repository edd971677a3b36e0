//! Key files.

use crate::error::{Failure, KEY_FILE};
use ledger::Keypair;
use std::path::Path;

/// Reads a key file.
///
/// # Errors
/// `key_file`.
pub fn load(path: &Path) -> Result<Keypair, Failure> {
    let failed = |what: String| Failure::new(KEY_FILE, format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    let mut seed = [0; 32];
    hex::decode_to_slice(value["seed"].as_str().unwrap_or(""), &mut seed)
        .map_err(|error| failed(error.to_string()))?;
    Ok(Keypair::from_seed(seed))
}
