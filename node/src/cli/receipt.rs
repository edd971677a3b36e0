//! `receipt verify`: offline, with nothing but the genesis file.

use super::answer::Answer;
use super::args::ReceiptArgs;
use super::context::Context;
use crate::error::{Failure, USAGE, VERIFICATION_FAILED};
use crate::view::{RECEIPT_FILE_BYTES_MAX, ReceiptDocument, verify_bytes};
use serde_json::json;
use std::io::Read;

/// `receipt verify FILE --genesis FILE`: the JSON form, or canonical bytes.
pub fn verify(context: &Context, args: &ReceiptArgs) -> Result<Answer, Failure> {
    let shown = args.file.display();
    let network = context.genesis(args.genesis.as_deref())?;
    let limit = u64::try_from(RECEIPT_FILE_BYTES_MAX).expect("a file's size") + 1;
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(&args.file).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| {
        Failure::new(USAGE, format!("receipt {shown}: {error}; nothing was checked"))
            .help("name the receipt's file; transfer --receipt FILE writes one")
    })?;
    if bytes.len() > RECEIPT_FILE_BYTES_MAX {
        let what = format!("receipt {shown} is larger than any receipt; it proves nothing");
        return Err(Failure::new(VERIFICATION_FAILED, what).help("ask a node for the receipt"));
    }
    let verified = match std::str::from_utf8(&bytes) {
        Ok(text) if text.trim_start().starts_with('{') => ReceiptDocument::verify(text, &network),
        _ => verify_bytes(&bytes, &network),
    }?;
    let transfer = verified.transfer().transfer();
    let certificate = &verified.receipt().certificate;
    let members: Vec<String> = crate::board::voters(certificate)
        .into_iter()
        .filter_map(|member| network.committee.member(member))
        .map(|member| member.name.to_string())
        .collect();
    let document = json!({
        "schema": "quorate.receipt-check/1", "ok": true, "verified": true,
        "network": network.id, "id": verified.id(), "batch": certificate.batch,
        "from": transfer.owner, "tokens_spent": transfer.inputs.len(), "memo": transfer.memo,
        "commit": members, "quorum": network.committee.quorum(),
    });
    let text = format!(
        "verified: transfer {} of {} is final\ncommitted by {}; {} needed\n",
        verified.id(),
        context.name_of(&transfer.owner),
        members.join(", "),
        network.committee.quorum()
    );
    Ok(Answer::new(document, text))
}
