//! All points, and where each is reached: by the everyday seeds, or, with the reason, by a unit
//! test only.

/// Where a point is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// By the seeds.
    Seeds,
    /// Not in the simulator, for a reason, and by this unit test.
    Unit {
        /// Why no simulated member can get there.
        why: &'static str,
        /// The file of the test and its name.
        test: (&'static str, &'static str),
    },
}

use Reach::{Seeds, Unit};

/// Every point with its reach.
pub const ALL: &[(&str, Reach)] = &[
    ("R1 a batch is refused whole: wrong root", Seeds),
    ("R1 a batch is refused whole: proposer's signature", Seeds),
    ("R1 a batch is refused: epoch, proposer or room", Seeds),
    ("R1 a frame is refused and its sender blamed", Seeds),
    ("R2 every input is the signer's tip", Seeds),
    ("R4 a state is locked for another transfer", Seeds),
    ("R4 a higher round is promised", Seeds),
    ("R5 a Lock vote waits for its sync", Seeds),
    ("R6 a Commit vote waits for its sync", Seeds),
    ("R7 a certificate is refused", Seeds),
    ("R7 a certificate waits for its batch", Seeds),
    ("R7 a parent is fetched", Seeds),
    ("R7 a Commit certificate is applied", Seeds),
    ("R8 a certificate tells nothing new", Seeds),
    ("R8 a spent input is answered with its spender", Seeds),
    ("R9 evidence is kept", Seeds),
    ("R10 a vote gains bits", Seeds),
    ("R10 what is unknown is judged again", Seeds),
    ("Refusal::Transfer", Seeds),
    ("Refusal::NotOwner", Seeds),
    ("Refusal::WrongValue", Seeds),
    ("Refusal::NoSuchToken", Seeds),
    ("Refusal::Spent", Seeds),
    ("Refusal::LockConflict", Seeds),
    ("Refusal::RoundTooLow", Seeds),
    ("Refusal::NotJustified", Seeds),
    ("Cause::ParentMissing", Seeds),
    ("Cause::CatchingUp", Seeds),
    (
        "Cause::DhtSilent",
        Unit {
            why: "there is no DHT in the simulator",
            test: ("node/src/pipeline/tests.rs", "Cause::DhtSilent"),
        },
    ),
    ("RefusedKind::Invalid", Seeds),
    ("RefusedKind::Spent", Seeds),
    ("RefusedKind::Locked", Seeds),
    ("RefusedKind::Unknown", Seeds),
    ("WithheldKind::Spent", Seeds),
    ("WithheldKind::Promised", Seeds),
    ("WithheldKind::Unknown", Seeds),
    ("WithheldKind::Refused", Seeds),
    ("TransferError::OtherNetwork", Seeds),
    ("TransferError::OtherEpoch", Seeds),
    ("TransferError::Empty", Seeds),
    (
        "TransferError::TooMany",
        Unit {
            why: "the decoder refuses longer lists before anything is judged",
            test: ("ledger/src/transfer/check/tests.rs", "TooMany"),
        },
    ),
    ("TransferError::InputOrder", Seeds),
    ("TransferError::ZeroOutput", Seeds),
    ("TransferError::BadMove", Seeds),
    ("TransferError::Unbalanced", Seeds),
    ("TransferError::Indivisible", Seeds),
    (
        "TransferError::BadDefinition",
        Unit {
            why: "the decoder refuses such definitions before anything is judged",
            test: ("ledger/src/transfer/check/tests.rs", "BadDefinition"),
        },
    ),
    ("TransferError::ReservedName", Seeds),
    ("TransferError::BadSignature", Seeds),
    ("CertificateError::OtherEpoch", Seeds),
    (
        "CertificateError::OtherBallot",
        Unit {
            why: "who checks a message's certificate expects the phase that it names",
            test: ("ledger/src/certificate/tests.rs", "OtherBallot"),
        },
    ),
    ("CertificateError::BitmapLength", Seeds),
    ("CertificateError::Stranger", Seeds),
    ("CertificateError::Repeated", Seeds),
    ("CertificateError::BadSignature", Seeds),
    ("CertificateError::NoQuorum", Seeds),
    ("ReceiptError::Transfer", Seeds),
    ("ReceiptError::OtherBatch", Seeds),
    ("ReceiptError::Certificate", Seeds),
    (
        "ReceiptError::NotCertified",
        Unit {
            why: "a certificate of less than its batch is rare, and a receipt out of it rarer",
            test: ("ledger/src/receipt/tests.rs", "NotCertified"),
        },
    ),
    ("LockProofError::OtherBatch", Seeds),
    (
        "LockProofError::BadSignature",
        Unit {
            why: "in round 0 the leaf covers the signature, and proofs of higher rounds are rare",
            test: ("ledger/src/lock_proof/tests.rs", "BadSignature"),
        },
    ),
    ("LockProofError::Certificate", Seeds),
    (
        "LockProofError::NotCertified",
        Unit {
            why: "a certificate of less than its batch is rare, and a proof out of it rarer",
            test: ("ledger/src/lock_proof/tests.rs", "NotCertified"),
        },
    ),
    ("Unjustified::Decode", Seeds),
    ("Unjustified::BadReport", Seeds),
    ("Unjustified::TwoReports", Seeds),
    ("Unjustified::BadProof", Seeds),
    ("Unjustified::NoProof", Seeds),
    ("Unjustified::NoQuorum", Seeds),
    ("Unjustified::Higher", Seeds),
    ("Unjustified::NoRefresh", Seeds),
    ("FrameError::Short", Seeds),
    ("FrameError::Version", Seeds),
    ("FrameError::Compression", Seeds),
    ("FrameError::TooLong", Seeds),
    ("FrameError::Length", Seeds),
    ("FrameError::Compressed", Seeds),
    ("DecodeError::Truncated", Seeds),
    ("DecodeError::TooMany", Seeds),
    ("DecodeError::BadTag", Seeds),
    ("DecodeError::BadKey", Seeds),
    ("DecodeError::BadText", Seeds),
    (
        "DecodeError::BadCid",
        Unit {
            why: "owners in the simulator issue nothing whose bytes could be damaged",
            test: ("ledger/src/asset.rs", "BadCid"),
        },
    ),
    ("DecodeError::Trailing", Seeds),
    ("DecodeError::NotCanonical", Seeds),
    ("Evidence::Owner", Seeds),
    ("Evidence::Votes", Seeds),
];

/// Whether a point is in the list.
pub fn is_known(point: &str) -> bool {
    ALL.iter().any(|(known, _)| *known == point)
}
