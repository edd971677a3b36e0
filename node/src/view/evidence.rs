//! Evidence (`quorate.evidence/1`): proofs that keys misbehaved, as nodes serve them and as files
//! that anyone can check with the genesis alone.
//!
//! Everything readable in a row follows from its canonical bytes, so a file is checked by making
//! its rows anew out of the bytes: one byte changed anywhere, and they differ.

use super::text::IdText;
use super::{Schema, count};
use crate::error::{Failure, VERIFICATION_FAILED};
use crate::handle::Shared;
use crate::receive::record::Fork;
use consensus::Evidence;
use ledger::{BatchId, Bitmap, Canonical, Network, Phase, TokenId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

const SCHEMA: &str = "quorate.evidence/1";

/// Longest file of evidence, bytes: 16 full pages of a node. Two of the largest transfers in
/// hexadecimal are below.
pub const EVIDENCE_FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A page of the evidence, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceDocument {
    /// `quorate.evidence/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// How much is kept.
    pub count: u64,
    /// Oldest first.
    pub evidence: Vec<EvidenceRow>,
    /// What to ask for with `?after=`; `None` on the last page.
    #[serde(default)]
    pub next: Option<u64>,
}

/// Proof that a key misbehaved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceRow {
    /// Among what is kept here, from 0.
    pub position: u64,
    /// `owner`, `votes`, or `fork` (a wallet node's: two final transfers of one state).
    pub kind: String,
    /// The owner's address or the validator's name; of a fork, the owner's.
    pub by: String,
    /// Ids of the two transfers; of votes, the batch twice.
    #[schema(value_type = Vec<String>)]
    pub about: [String; 2],
    /// In what the two signed statements contradict each other.
    pub contradiction: Contradiction,
    /// Canonical bytes of the evidence, lower-case hexadecimal; checkable with the genesis alone.
    pub hex: String,
    /// sha2-256 over the position (8 bytes, little-endian) and the canonical bytes.
    pub digest: String,
}

/// In what two signed statements contradict each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Contradiction {
    /// Two transfers spend one state in one round.
    State {
        /// The state's token.
        #[schema(value_type = IdText)]
        token: TokenId,
        /// The state's height.
        height: u64,
        /// The round of both.
        round: u32,
    },
    /// Each of two votes has transfers that the other has not: one took bits back.
    Votes {
        /// The batch of both.
        #[schema(value_type = IdText)]
        batch: BatchId,
        /// `lock` or `commit`.
        phase: String,
        /// Indices in the batch that only the first vote has.
        only_first: Vec<u64>,
        /// Indices in the batch that only the second vote has.
        only_second: Vec<u64>,
    },
    /// None: it proves nothing.
    Nothing {},
}

impl EvidenceDocument {
    /// At most `limit` pieces after position `after`, and no more than fit `bytes_max`, but one at
    /// least.
    pub fn of(shared: &Shared, after: Option<u64>, limit: usize, bytes_max: usize) -> Self {
        let row =
            |position, evidence: &Evidence| EvidenceRow::of(&shared.network, position, evidence);
        Self::page(&shared.store.evidence(), after, (limit, bytes_max), row)
    }

    /// The same of any list whose pieces `row` writes down.
    pub fn page<T>(
        all: &[T],
        after: Option<u64>,
        (limit, bytes_max): (usize, usize),
        row: impl Fn(u64, &T) -> EvidenceRow,
    ) -> Self {
        let from = after.map_or(0, |after| after.saturating_add(1));
        let count = count(all.len());
        let mut bytes = 0;
        let mut rows: Vec<EvidenceRow> = Vec::new();
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        // The finite side first: counting on from the largest number is an overflow.
        for (piece, position) in all.iter().skip(skip).zip(from..).take(limit) {
            let row = row(position, piece);
            bytes += row.hex.len();
            if bytes > bytes_max && !rows.is_empty() {
                break;
            }
            rows.push(row);
        }
        let next = rows.last().map(|row| row.position).filter(|last| last + 1 < count);
        Self { schema: SCHEMA.into(), ok: true, count, evidence: rows, next }
    }

    /// Whether nothing is missing at its end, and every position is where it says.
    fn is_whole(&self) -> bool {
        let start = self.count.checked_sub(count(self.evidence.len()));
        let positions =
            |start: u64| self.evidence.iter().zip(start..).all(|(r, at)| r.position == at);
        self.schema == SCHEMA && self.ok && self.next.is_none() && start.is_some_and(positions)
    }
}

impl EvidenceRow {
    /// A piece of evidence of this network.
    pub fn of(network: &Network, position: u64, evidence: &Evidence) -> Self {
        let bytes = evidence.to_bytes();
        let mut digest = Sha256::new();
        digest.update(position.to_le_bytes());
        digest.update(&bytes);
        let digest = hex::encode(digest.finalize());
        let hex = hex::encode(bytes);
        match evidence {
            Evidence::Owner(found) => {
                let ids = [&found.first, &found.second].map(|entry| entry.signed.transfer.id());
                let by = found.first.signed.transfer.owner.to_string();
                let about = ids.map(|id| id.to_string());
                let of_state = |state: ledger::TokenState| Contradiction::State {
                    token: state.token,
                    height: state.height,
                    round: found.first.round,
                };
                let contradiction = found.state().map_or(Contradiction::Nothing {}, of_state);
                Self { position, kind: "owner".into(), by, about, contradiction, hex, digest }
            }
            Evidence::Votes(found) => {
                let (first, second) = (&found.first.ballot, &found.second.ballot);
                let about = [first, second].map(|ballot| ballot.batch.to_string());
                let member = network.committee.member(found.first.member);
                let by = member.map_or_else(|| "?".into(), |member| member.name.to_string());
                let phase = match first.phase {
                    Phase::Lock => "lock",
                    Phase::Commit => "commit",
                };
                let contradiction = Contradiction::Votes {
                    batch: first.batch,
                    phase: phase.into(),
                    only_first: only(&first.bitmap, &second.bitmap),
                    only_second: only(&second.bitmap, &first.bitmap),
                };
                Self { position, kind: "votes".into(), by, about, contradiction, hex, digest }
            }
        }
    }

    /// Two final transfers of one state, which a wallet node was shown.
    pub fn of_fork(position: u64, fork: &Fork) -> Self {
        let transfers = [&fork.first, &fork.second].map(|receipt| &receipt.entry.signed.transfer);
        let bytes = fork.to_bytes();
        let mut digest = Sha256::new();
        digest.update(position.to_le_bytes());
        digest.update(&bytes);
        Self {
            position,
            kind: "fork".into(),
            by: transfers[0].owner.to_string(),
            about: transfers.map(|transfer| transfer.id().to_string()),
            contradiction: Contradiction::State {
                token: fork.state.token,
                height: fork.state.height,
                round: fork.first.entry.round,
            },
            hex: hex::encode(bytes),
            digest: hex::encode(digest.finalize()),
        }
    }

    /// Checks that everything in it follows from its bytes, and that these prove something.
    fn verify(&self, network: &Network) -> Result<(), Failure> {
        let bytes = hex::decode(&self.hex)
            .map_err(|error| failed(format!("its bytes are no hexadecimal text: {error}")))?;
        if self.kind == "fork" {
            let fork = Fork::from_bytes(&bytes)
                .map_err(|error| failed(format!("its bytes are no fork: {error}")))?;
            if Self::of_fork(self.position, &fork) != *self {
                return Err(failed("what it says does not follow from its bytes"));
            }
            return fork.verify(network).map_err(failed);
        }
        let evidence = Evidence::from_bytes(&bytes)
            .map_err(|error| failed(format!("its bytes are no evidence: {error}")))?;
        if Self::of(network, self.position, &evidence) != *self {
            return Err(failed("what it says does not follow from its bytes"));
        }
        evidence.verify(network).map_err(failed)
    }
}

/// Indices in `one` and not in `other`, which may have fewer bits.
fn only(one: &Bitmap, other: &Bitmap) -> Vec<u64> {
    one.indexes().filter(|index| *index >= other.count() || !other.has(*index)).map(count).collect()
}

/// Checks a file's text: one item of `GET /v1/evidence`, or a whole document with all of its items,
/// as the node or `--json` wrote it (on one line or indented by two, keys in that order or sorted).
/// Every signature in it is checked. Returns the items.
///
/// # Errors
/// `verification_failed`.
pub fn verify_evidence(text: &str, network: &Network) -> Result<Vec<EvidenceRow>, Failure> {
    if text.len() > EVIDENCE_FILE_BYTES_MAX {
        return Err(failed(format!("the file is larger than {EVIDENCE_FILE_BYTES_MAX} bytes")));
    }
    let not_ours = |error: serde_json::Error| failed(format!("not {SCHEMA}: {error}"));
    let value: Value = serde_json::from_str(text).map_err(not_ours)?;
    let rows = if value.get("evidence").is_some() {
        let document: EvidenceDocument = serde_json::from_str(text).map_err(not_ours)?;
        check_form(text, &document)?;
        if !document.is_whole() {
            let what = "it is one page of several, or its items are not all that it counts";
            return Err(failed(what).help("quorate evidence list --json > FILE"));
        }
        document.evidence
    } else {
        let row: EvidenceRow = serde_json::from_str(text).map_err(not_ours)?;
        check_form(text, &row)?;
        vec![row]
    };
    if rows.is_empty() {
        return Err(failed("there is none in the file"));
    }
    rows.iter().try_for_each(|row| row.verify(network))?;
    Ok(rows)
}

/// A field that is unknown, repeated or left out makes another text, and so does white space.
fn check_form(text: &str, read: &impl Serialize) -> Result<(), Failure> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let sorted = serde_json::to_value(read).expect("strings and numbers only");
    let forms: [&dyn Fn() -> String; 4] = [
        &|| serde_json::to_string(read).expect("strings and numbers only"),
        &|| serde_json::to_string_pretty(read).expect("strings and numbers only"),
        &|| format!("{sorted}"),
        &|| format!("{sorted:#}"),
    ];
    if forms.iter().any(|form| form() == text) {
        return Ok(());
    }
    Err(failed("the text is not in a form that evidence is written in, or has fields of its own"))
}

fn failed(why: impl std::fmt::Display) -> Failure {
    let what = format!("the evidence proves nothing: {why}; nothing was sent or changed");
    Failure::new(VERIFICATION_FAILED, what)
        .help("ask a node for its evidence again: quorate evidence list --json")
}

#[cfg(test)]
pub(crate) mod tests;
