//! Quorate's values, and nothing that happens to them: no I/O, no clock, no randomness, no threads,
//! no floats. `PROTOCOL.md` sections 1 and 2 are its specification.
//!
//! The life of a transfer, by file:
//!
//! ```text
//! genesis ─▶ token, asset ─▶ state ─▶ transfer ─sign─▶ SignedTransfer ─verify─▶ VerifiedTransfer
//!                                                            │
//!    receipt ◀── certificate ◀── vote (bitmap) ◀── batch id ◀── entry (merkle)
//! ```
//!
//! | word | meaning |
//! |---|---|
//! | token | something owned: an asset, an amount, an owner; its id never changes |
//! | token state | one link of a token chain: (token id, height, id of the transfer that made it) |
//! | transfer | what an owner signs: which states it spends and what comes out |
//! | batch | an ordered list of transfers proposed together; its id is a Merkle root |
//! | committee, quorum | who may vote; how much vote weight is enough |
//! | vote | a validator's signature over a batch id, a phase and a bitmap of transfers |
//! | certificate | votes of one phase that reach a quorum for some transfers of a batch |
//! | receipt | the portable proof that one transfer is final |

// The tests' fixture is shared with `tests/golden.rs` and names this crate as those see it.
#[cfg(test)]
extern crate self as ledger;
#[cfg(test)]
mod fixture;

pub mod address;
pub mod amount;
pub mod asset;
pub mod bitmap;
pub mod certificate;
pub mod committee;
pub mod encoding;
pub mod entry;
pub mod genesis;
pub mod hash;
pub mod justification;
pub mod key;
pub mod lock_proof;
pub mod merkle;
pub mod name;
pub mod receipt;
pub mod recover;
pub mod report;
pub mod state;
pub mod statement;
pub mod transfer;
pub mod vote;

pub use address::{Address, AddressError};
pub use amount::{AmountError, format_amount, parse_amount};
pub use asset::{AssetDefinition, AssetKind};
pub use bitmap::Bitmap;
pub use certificate::{Certificate, CertificateError, Expected};
pub use committee::{Committee, CommitteeError, Member};
pub use encoding::{Canonical, DecodeError, Reader};
pub use entry::Entry;
pub use genesis::{Genesis, GenesisAsset, GenesisError, GenesisMember, GenesisTokens, Network};
pub use hash::{AssetId, BatchId, Digest, NetworkId, TokenId, TransferId};
pub use justification::Justification;
pub use key::{Keypair, PublicKey, Signature};
pub use lock_proof::{LockProof, LockProofError};
pub use merkle::Inclusion;
pub use name::Name;
pub use receipt::{Receipt, ReceiptError, VerifiedReceipt, verify_many};
pub use recover::{Recover, SignedRecover};
pub use report::{Accepted, Claim, Report, SignedReport};
pub use state::{CID_BYTES, TokenState, cid_text, parse_cid};
pub use statement::Statement;
pub use transfer::{
    Input, Made, Output, Rules, SignedTransfer, Transfer, TransferError, VerifiedTransfer,
    verify_owners,
};
pub use vote::{Ballot, Phase, Vote};
