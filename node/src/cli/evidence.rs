//! `evidence list|verify`: proofs that keys misbehaved. Checking one needs no node.

use super::answer::Answer;
use super::args::{EvidenceCommand, EvidenceFileArgs};
use super::context::Context;
use super::table::Table;
use crate::error::{Failure, USAGE, VERIFICATION_FAILED};
use crate::view::{
    Contradiction, EVIDENCE_FILE_BYTES_MAX, EvidenceDocument, EvidenceRow, verify_evidence,
};
use serde_json::{Value, json};
use std::io::Read;

/// `evidence …`.
pub fn evidence(context: &Context, command: &EvidenceCommand) -> Result<Answer, Failure> {
    match command {
        EvidenceCommand::List => context.block_on(list(context)),
        EvidenceCommand::Verify(args) => verify(context, args),
    }
}

/// All that the asked node keeps, page by page; what a file can hold, at most.
async fn list(context: &Context) -> Result<Answer, Failure> {
    let client = context.client()?;
    let mut all: Vec<EvidenceRow> = Vec::new();
    let (mut after, mut bytes) = (None, 0);
    let document = loop {
        let page = client.evidence(after).await?;
        bytes += page.evidence.iter().map(|row| row.hex.len()).sum::<usize>();
        let is_empty = page.evidence.is_empty();
        all.extend(page.evidence);
        after = page.next;
        if after.is_none() || is_empty || bytes > EVIDENCE_FILE_BYTES_MAX / 2 {
            break EvidenceDocument { evidence: all, ..page };
        }
    };
    let mut table = Table::new(&["position", "kind", "by", "contradiction"]);
    for row in &document.evidence {
        let by = row.by.parse().map_or(row.by.clone(), |address| context.name_of(&address));
        table.row([row.position.to_string(), row.kind.clone(), by, words(row)]);
    }
    let text = match document.evidence.is_empty() {
        true => "the asked node keeps no evidence: it saw nobody misbehave\n".into(),
        false => table.render(),
    };
    Ok(Answer::new(serde_json::to_value(&document).unwrap_or_default(), text))
}

/// `evidence verify FILE --genesis FILE`.
fn verify(context: &Context, args: &EvidenceFileArgs) -> Result<Answer, Failure> {
    let shown = args.file.display();
    let network = context.genesis(args.genesis.as_deref())?;
    let limit = u64::try_from(EVIDENCE_FILE_BYTES_MAX).expect("a file's size") + 1;
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(&args.file).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| {
        Failure::new(USAGE, format!("evidence {shown}: {error}; nothing was checked"))
            .help("name the file; quorate evidence list --json > FILE writes one")
    })?;
    let text = String::from_utf8(bytes).map_err(|_| {
        let what = format!("evidence {shown} is no text; it proves nothing, nothing was changed");
        Failure::new(VERIFICATION_FAILED, what).help("quorate evidence list --json > FILE")
    })?;
    let rows = verify_evidence(&text, &network)?;
    // A file of one item says what it proves at the top; of several, in a list.
    let mut document = rows.first().map_or(Value::Null, proved);
    document["schema"] = json!("quorate.evidence/1");
    document["ok"] = json!(true);
    document["verified"] = json!(true);
    document["network"] = json!(network.id);
    document["count"] = json!(rows.len());
    document["evidence"] = rows.iter().map(proved).collect();
    let line = |row: &EvidenceRow| format!("verified: {} {}: {}\n", row.kind, row.by, words(row));
    let text: String = rows.iter().map(line).collect();
    Ok(Answer::new(document, text))
}

/// Who did what, without the bytes that prove it.
fn proved(row: &EvidenceRow) -> Value {
    let who = if row.kind == "votes" { "member" } else { "key" };
    json!({"kind": row.kind, who: row.by, "about": row.about, "contradiction": row.contradiction})
}

fn words(row: &EvidenceRow) -> String {
    let [first, second] = &row.about;
    match &row.contradiction {
        Contradiction::State { token, height, round } => format!(
            "transfers {first} and {second} spend token {token} at height {height} in round {round}"
        ),
        Contradiction::Votes { batch, phase, only_first, only_second } => format!(
            "two {phase} votes for batch {batch}: {} transfers are in the first alone, {} in the \
             second alone",
            only_first.len(),
            only_second.len()
        ),
        Contradiction::Nothing {} => "none".into(),
    }
}
