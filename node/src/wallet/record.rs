//! What a wallet remembers of one transfer: a small JSON file beside the signed bytes.

use ledger::{Address, TransferId};
use serde::{Deserialize, Serialize};

/// How far a transfer is, as far as this wallet knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// Signed and stored, not sent from here.
    Signed,
    /// Stored and about to be sent, or sent; nothing more is known.
    Submitted,
    /// Nobody can take it back.
    Final,
    /// Nothing changed.
    Rejected,
    /// Votes are split.
    Locked,
    /// It was proposed, and no outcome came in time.
    Unknown,
}

impl Progress {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Progress::Signed => "signed",
            Progress::Submitted => "submitted",
            Progress::Final => "final",
            Progress::Rejected => "rejected",
            Progress::Locked => "locked",
            Progress::Unknown => "unknown",
        }
    }

    /// What a node's word means; `None` for one that is not known.
    pub fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "signed" => Progress::Signed,
            "submitted" => Progress::Submitted,
            "final" => Progress::Final,
            "rejected" => Progress::Rejected,
            "locked" => Progress::Locked,
            "unknown" => Progress::Unknown,
            _ => return None,
        })
    }

    /// Whether it has not ended and may have been sent: what became of it is worth asking.
    pub fn is_open(self) -> bool {
        matches!(self, Progress::Submitted | Progress::Locked | Progress::Unknown)
    }

    /// Whether it has ended, so that its tokens are promised to nobody any more.
    pub fn is_ended(self) -> bool {
        matches!(self, Progress::Final | Progress::Rejected)
    }
}

/// One transfer as `tx list` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The transfer.
    pub id: TransferId,
    /// How far it is.
    pub status: Progress,
    /// Who signed it.
    pub from: Address,
    /// Who gets something, when that is one.
    pub to: Option<Address>,
    /// Name or id of the asset.
    pub asset: String,
    /// Decimal text.
    pub amount: String,
    /// How many tokens it spends.
    pub tokens_spent: usize,
    /// The memo; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub memo: String,
    /// When it was signed, seconds since 1970.
    pub signed_s: u64,
}
