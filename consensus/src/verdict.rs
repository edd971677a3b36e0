//! Verdicts: one validator's finding on one transfer. "Not known" is never folded into yes or no
//! (R10).

use ledger::{Canonical, DecodeError, Reader, TokenId, TokenState, TransferError, TransferId};

/// One validator's finding on one transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be locked.
    Valid,
    /// It breaks a rule.
    Invalid(Refusal),
    /// It can't be told yet; neither a lock nor a vote comes of it.
    Unknown(Cause),
}

/// Why a transfer is refused; the text names the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It breaks a rule by itself, or its signature is not the owner's.
    #[error("{0} (R2, R3)")]
    Transfer(#[from] TransferError),
    /// An input is not the signer's.
    #[error("token {token} is not owned by the signer (R2)")]
    NotOwner {
        /// The token.
        token: TokenId,
    },
    /// An input's asset or amount is not the token's.
    #[error("the asset or amount given for token {token} is not the token's (R2)")]
    WrongValue {
        /// The token.
        token: TokenId,
    },
    /// There is no such token and there can't be one.
    #[error("token {token} does not exist (R2)")]
    NoSuchToken {
        /// The token.
        token: TokenId,
    },
    /// An input is spent.
    #[error("token {} at height {} is spent already (R2, R8)", state.token, state.height)]
    Spent {
        /// The state.
        state: TokenState,
        /// By which transfer, when this validator can tell at once.
        by: Option<TransferId>,
    },
    /// A state is locked for another transfer in this round.
    #[error(
        "token {} at height {} is locked by transfer {held_by} (R4)",
        state.token, state.height
    )]
    LockConflict {
        /// The state.
        state: TokenState,
        /// Who has the lock.
        held_by: TransferId,
        /// Who asked for it.
        wanted_by: TransferId,
    },
    /// The validator promised a higher round for a state.
    #[error(
        "token {} at height {} is promised to round {promised} (R4)",
        state.token, state.height
    )]
    RoundTooLow {
        /// The state.
        state: TokenState,
        /// The round promised.
        promised: u32,
    },
    /// A round above 0 without the reports that justify it.
    #[error("the entry's round is not justified by a quorum of reports (R4)")]
    NotJustified,
}

impl Refusal {
    /// The slug of programs: errors, JSON and HTTP use it.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Transfer(error) => transfer_code(error),
            Refusal::NotOwner { .. } => "not_owner",
            Refusal::WrongValue { .. } => "wrong_value",
            Refusal::NoSuchToken { .. } => "no_such_token",
            Refusal::Spent { .. } => "already_spent",
            Refusal::LockConflict { .. } => "token_locked",
            Refusal::RoundTooLow { .. } => "round_too_low",
            Refusal::NotJustified => "not_justified",
        }
    }
}

/// The slug of a transfer's own error.
pub fn transfer_code(error: &TransferError) -> &'static str {
    match error {
        TransferError::OtherNetwork { .. } => "other_network",
        TransferError::OtherEpoch { .. } => "other_epoch",
        TransferError::Empty => "empty_transfer",
        TransferError::TooMany { .. } => "too_many",
        TransferError::InputOrder(_) => "duplicate_input",
        TransferError::ZeroOutput(_) => "zero_output",
        TransferError::BadMove { .. } => "bad_move",
        TransferError::Unbalanced { .. } => "unbalanced",
        TransferError::Indivisible(_) => "indivisible",
        TransferError::ReservedName(_) => "reserved_name",
        TransferError::BadDefinition(_) => "bad_definition",
        TransferError::BadSignature => "bad_signature",
    }
}

/// Why a transfer can't be judged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The transfer that made an input is not applied here.
    ParentMissing {
        /// The state whose maker is missing.
        state: TokenState,
    },
    /// This validator is catching up.
    CatchingUp,
    /// The DHT was silent, in strict mode.
    DhtSilent,
}

/// What a vote message says of an entry that it does not vote for, in a fixed size. It explains;
/// nothing rests on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Index of the entry.
    pub index: u32,
    /// What kind of no.
    pub kind: RefusedKind,
    /// The token it is about; zero when it is about none.
    pub token: TokenId,
    /// The transfer in the way; zero for none.
    pub transfer: TransferId,
}
ledger::encoding::canonical_struct!(Refused { index, kind, token, transfer });

/// What kind of no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedKind {
    /// It breaks a rule.
    Invalid,
    /// An input is spent.
    Spent,
    /// An input is locked for `transfer`, or promised to a higher round.
    Locked,
    /// Not known yet.
    Unknown,
}

impl Canonical for RefusedKind {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            RefusedKind::Invalid => 0,
            RefusedKind::Spent => 1,
            RefusedKind::Locked => 2,
            RefusedKind::Unknown => 3,
        });
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match u8::read(reader)? {
            0 => RefusedKind::Invalid,
            1 => RefusedKind::Spent,
            2 => RefusedKind::Locked,
            3 => RefusedKind::Unknown,
            tag => return Err(DecodeError::BadTag { what: "kind of refusal", tag }),
        })
    }
}

impl Verdict {
    /// The short form for entry `index`; `None` for `Valid`.
    pub fn refused(&self, index: usize) -> Option<Refused> {
        let (kind, token, transfer) = match self {
            Verdict::Valid => return None,
            Verdict::Invalid(refusal) => refusal.short(),
            Verdict::Unknown(Cause::ParentMissing { state }) => {
                (RefusedKind::Unknown, state.token, state.made_by)
            }
            Verdict::Unknown(_) => (RefusedKind::Unknown, TokenId::default(), Default::default()),
        };
        let index = u32::try_from(index).expect("at most 4,096");
        Some(Refused { index, kind, token, transfer })
    }
}

impl Refusal {
    fn short(&self) -> (RefusedKind, TokenId, TransferId) {
        match self {
            Refusal::Spent { state, by } => {
                (RefusedKind::Spent, state.token, by.unwrap_or_default())
            }
            Refusal::LockConflict { state, held_by, .. } => {
                (RefusedKind::Locked, state.token, *held_by)
            }
            Refusal::RoundTooLow { state, .. } => {
                (RefusedKind::Locked, state.token, TransferId::default())
            }
            Refusal::NotOwner { token }
            | Refusal::WrongValue { token }
            | Refusal::NoSuchToken { token } => {
                (RefusedKind::Invalid, *token, TransferId::default())
            }
            Refusal::Transfer(_) | Refusal::NotJustified => {
                (RefusedKind::Invalid, TokenId::default(), TransferId::default())
            }
        }
    }
}
