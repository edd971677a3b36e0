//! The names of everything that is refused. No wildcards: a new variant has to get a name.

use consensus::codec::FrameError;
use consensus::message::WithheldKind;
use consensus::recovery::Unjustified;
use consensus::{Cause, Evidence, Refusal, RefusedKind};
use ledger::{CertificateError, DecodeError, LockProofError, ReceiptError, TransferError};

/// Of a refusal.
pub fn refusal(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Transfer(_) => "Refusal::Transfer",
        Refusal::NotOwner { .. } => "Refusal::NotOwner",
        Refusal::WrongValue { .. } => "Refusal::WrongValue",
        Refusal::NoSuchToken { .. } => "Refusal::NoSuchToken",
        Refusal::Spent { .. } => "Refusal::Spent",
        Refusal::LockConflict { .. } => "Refusal::LockConflict",
        Refusal::RoundTooLow { .. } => "Refusal::RoundTooLow",
        Refusal::NotJustified => "Refusal::NotJustified",
    }
}

/// Of a reason why something is not known.
pub fn cause(cause: &Cause) -> &'static str {
    match cause {
        Cause::ParentMissing { .. } => "Cause::ParentMissing",
        Cause::CatchingUp => "Cause::CatchingUp",
        Cause::DhtSilent => "Cause::DhtSilent",
    }
}

/// Of what an answer says of an entry.
pub fn refused(kind: RefusedKind) -> &'static str {
    match kind {
        RefusedKind::Invalid => "RefusedKind::Invalid",
        RefusedKind::Spent => "RefusedKind::Spent",
        RefusedKind::Locked => "RefusedKind::Locked",
        RefusedKind::Unknown => "RefusedKind::Unknown",
    }
}

/// Of what an answer to an owner withholds.
pub fn withheld(kind: WithheldKind) -> &'static str {
    match kind {
        WithheldKind::Spent => "WithheldKind::Spent",
        WithheldKind::Promised => "WithheldKind::Promised",
        WithheldKind::Unknown => "WithheldKind::Unknown",
        WithheldKind::Refused => "WithheldKind::Refused",
    }
}

/// Of a transfer's own error.
pub fn transfer(error: &TransferError) -> &'static str {
    match error {
        TransferError::OtherNetwork { .. } => "TransferError::OtherNetwork",
        TransferError::OtherEpoch { .. } => "TransferError::OtherEpoch",
        TransferError::Empty => "TransferError::Empty",
        TransferError::TooMany { .. } => "TransferError::TooMany",
        TransferError::InputOrder(_) => "TransferError::InputOrder",
        TransferError::ZeroOutput(_) => "TransferError::ZeroOutput",
        TransferError::BadMove { .. } => "TransferError::BadMove",
        TransferError::Unbalanced { .. } => "TransferError::Unbalanced",
        TransferError::Indivisible(_) => "TransferError::Indivisible",
        TransferError::BadDefinition(_) => "TransferError::BadDefinition",
        TransferError::ReservedName(_) => "TransferError::ReservedName",
        TransferError::BadSignature => "TransferError::BadSignature",
    }
}

/// Of a certificate's error.
pub fn certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::OtherEpoch(_) => "CertificateError::OtherEpoch",
        CertificateError::OtherBallot => "CertificateError::OtherBallot",
        CertificateError::BitmapLength { .. } => "CertificateError::BitmapLength",
        CertificateError::Stranger(_) => "CertificateError::Stranger",
        CertificateError::Repeated(_) => "CertificateError::Repeated",
        CertificateError::BadSignature(_) => "CertificateError::BadSignature",
        CertificateError::NoQuorum => "CertificateError::NoQuorum",
    }
}

/// Of a receipt's error.
pub fn receipt(error: &ReceiptError) -> &'static str {
    match error {
        ReceiptError::Transfer(_) => "ReceiptError::Transfer",
        ReceiptError::OtherBatch { .. } => "ReceiptError::OtherBatch",
        ReceiptError::Certificate(_) => "ReceiptError::Certificate",
        ReceiptError::NotCertified => "ReceiptError::NotCertified",
    }
}

/// Of a lock proof's error.
pub fn lock_proof(error: &LockProofError) -> &'static str {
    match error {
        LockProofError::OtherBatch { .. } => "LockProofError::OtherBatch",
        LockProofError::BadSignature => "LockProofError::BadSignature",
        LockProofError::Certificate(_) => "LockProofError::Certificate",
        LockProofError::NotCertified => "LockProofError::NotCertified",
    }
}

/// Of a justification's error.
pub fn unjustified(error: &Unjustified) -> &'static str {
    match error {
        Unjustified::Decode(_) => "Unjustified::Decode",
        Unjustified::BadReport(_) => "Unjustified::BadReport",
        Unjustified::TwoReports(_) => "Unjustified::TwoReports",
        Unjustified::BadProof => "Unjustified::BadProof",
        Unjustified::NoProof(_) => "Unjustified::NoProof",
        Unjustified::NoQuorum(_) => "Unjustified::NoQuorum",
        Unjustified::Higher(_) => "Unjustified::Higher",
        Unjustified::NoRefresh => "Unjustified::NoRefresh",
    }
}

/// Of a frame's error.
pub fn frame(error: &FrameError) -> &'static str {
    match error {
        FrameError::Short => "FrameError::Short",
        FrameError::Version(_) => "FrameError::Version",
        FrameError::Compression(_) => "FrameError::Compression",
        FrameError::TooLong(_) => "FrameError::TooLong",
        FrameError::Length => "FrameError::Length",
        FrameError::Compressed => "FrameError::Compressed",
        FrameError::Decode(error) => decode(error),
    }
}

/// Of a decoder's error.
pub fn decode(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::Truncated { .. } => "DecodeError::Truncated",
        DecodeError::TooMany { .. } => "DecodeError::TooMany",
        DecodeError::BadTag { .. } => "DecodeError::BadTag",
        DecodeError::BadKey => "DecodeError::BadKey",
        DecodeError::BadText => "DecodeError::BadText",
        DecodeError::BadCid => "DecodeError::BadCid",
        DecodeError::Trailing(_) => "DecodeError::Trailing",
        DecodeError::NotCanonical(_) => "DecodeError::NotCanonical",
    }
}

/// Of a kind of evidence.
pub fn evidence(evidence: &Evidence) -> &'static str {
    match evidence {
        Evidence::Owner(_) => "Evidence::Owner",
        Evidence::Votes(_) => "Evidence::Votes",
    }
}
