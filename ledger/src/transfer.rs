//! Transfers: what an owner signs. The rules about them that need no store are in `check`.
//!
//! One object does it all: paying, paying with change, paying many at once, splitting, joining and
//! issuing are inputs and outputs of one transfer, signed once, all or nothing. Whether the inputs
//! are the tips of their tokens (R2) is for `consensus` to say.

use crate::address::Address;
use crate::asset::{AssetDefinition, issued_asset_id};
use crate::encoding::{Canonical, DecodeError, Reader, canonical_struct, write_bytes, write_list};
use crate::hash::{AssetId, NetworkId, Tag, TransferId, hash};
use crate::key::{Keypair, Signature, Signed, verify_batch};
use crate::state::{TokenState, created_token_id};
use crate::statement::Statement;
use rand_core::CryptoRng;

mod check;
pub use check::{Rules, TransferError};

/// Most inputs of one transfer.
pub const INPUTS_MAX: usize = 4_096;
/// Most outputs of one transfer.
pub const OUTPUTS_MAX: usize = 4_096;
/// Longest memo, bytes of UTF-8.
pub const MEMO_BYTES_MAX: usize = 256;
/// Bytes of one encoded input.
const INPUT_BYTES: usize = 112;
/// Bytes of the shortest output, a `Move`.
const OUTPUT_BYTES_MIN: usize = 35;

/// A token state that a transfer spends, with its asset and amount, so that a receipt proves value
/// by itself. A validator refuses an input whose asset or amount is not its tip's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// The state.
    pub state: TokenState,
    /// The token's asset.
    pub asset: AssetId,
    /// The token's amount in base units.
    pub amount: u64,
}
canonical_struct!(Input { state, asset, amount });

/// What comes out of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The token of input `input` (0-based) keeps its identity and goes to `to`.
    Move {
        /// Index into the transfer's inputs; each input is moved at most once.
        input: u16,
        /// The new owner.
        to: Address,
    },
    /// A new token out of inputs that are not moved.
    Create {
        /// Asset of the new token.
        asset: AssetId,
        /// Base units, at least 1.
        amount: u64,
        /// Its owner.
        to: Address,
    },
    /// A new asset with its whole supply in one new token.
    Issue {
        /// The definition.
        definition: AssetDefinition,
        /// Base units, at least 1; exactly 1 for an item.
        supply: u64,
        /// Owner of the token.
        to: Address,
    },
}

impl Canonical for Output {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Output::Move { input, to } => {
                out.push(0);
                input.write(out);
                to.write(out);
            }
            Output::Create { asset, amount, to } => {
                out.push(1);
                asset.write(out);
                amount.write(out);
                to.write(out);
            }
            Output::Issue { definition, supply, to } => {
                out.push(2);
                definition.write(out);
                supply.write(out);
                to.write(out);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match u8::read(reader)? {
            0 => Output::Move { input: u16::read(reader)?, to: Address::read(reader)? },
            1 => Output::Create {
                asset: AssetId::read(reader)?,
                amount: u64::read(reader)?,
                to: Address::read(reader)?,
            },
            2 => Output::Issue {
                definition: AssetDefinition::read(reader)?,
                supply: u64::read(reader)?,
                to: Address::read(reader)?,
            },
            tag => return Err(DecodeError::BadTag { what: "kind of output", tag }),
        })
    }
}

/// What an owner signs: which states it spends and what comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The network that it is for.
    pub network: NetworkId,
    /// The epoch that it is for.
    pub epoch: u64,
    /// The one owner of all inputs.
    pub owner: Address,
    /// Sorted by token, no token twice, 1 to 4,096.
    pub inputs: Vec<Input>,
    /// 1 to 4,096.
    pub outputs: Vec<Output>,
    /// At most 256 bytes; empty for none.
    pub memo: String,
}

impl Canonical for Transfer {
    fn write(&self, out: &mut Vec<u8>) {
        self.network.write(out);
        self.epoch.write(out);
        self.owner.write(out);
        write_list(&self.inputs, out);
        write_list(&self.outputs, out);
        write_bytes(self.memo.as_bytes(), out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let network = NetworkId::read(reader)?;
        let epoch = u64::read(reader)?;
        let owner = Address::read(reader)?;
        let inputs = reader.list("inputs", INPUTS_MAX, INPUT_BYTES)?;
        let outputs = reader.list("outputs", OUTPUTS_MAX, OUTPUT_BYTES_MIN)?;
        let memo = reader.bytes("bytes in a memo", MEMO_BYTES_MAX)?;
        let memo = std::str::from_utf8(memo).map_err(|_| DecodeError::BadText)?.to_string();
        Ok(Self { network, epoch, owner, inputs, outputs, memo })
    }
}

impl Transfer {
    /// The transfer id: hash of the canonical bytes. Never covers a signature.
    pub fn id(&self) -> TransferId {
        TransferId(hash(Tag::Transfer, &[&self.to_bytes()]))
    }

    /// The bytes that the owner signs for the transfer with this id.
    pub fn statement(&self, id: TransferId) -> Vec<u8> {
        Statement::Transfer.bytes(&self.network, self.epoch, &[id.bytes()])
    }

    /// Signs it. The caller sees to it that `keypair` is the owner's.
    pub fn sign(self, keypair: &Keypair) -> SignedTransfer {
        let signature = keypair.sign(&self.statement(self.id()));
        SignedTransfer { transfer: self, signature }
    }

    /// What it makes, in the order of the outputs: `made(id)[i]` is for `outputs[i]`.
    ///
    /// # Panics
    /// When a `Move` names an input that is not there; [`Transfer::check`] comes first.
    pub fn made(&self, id: TransferId) -> Vec<Made> {
        let of = |(index, output): (usize, &Output)| {
            let index = u32::try_from(index).expect("at most 4,096 outputs");
            let fresh = TokenState { token: created_token_id(id, index), height: 0, made_by: id };
            match output {
                Output::Move { input, to } => {
                    let spent = self.inputs[usize::from(*input)];
                    let height = spent.state.height.saturating_add(1);
                    let state = TokenState { token: spent.state.token, height, made_by: id };
                    Made { state, asset: spent.asset, amount: spent.amount, owner: *to }
                }
                Output::Create { asset, amount, to } => {
                    Made { state: fresh, asset: *asset, amount: *amount, owner: *to }
                }
                Output::Issue { supply, to, .. } => Made {
                    state: fresh,
                    asset: issued_asset_id(id, index),
                    amount: *supply,
                    owner: *to,
                },
            }
        };
        self.outputs.iter().enumerate().map(of).collect()
    }
}

/// A token as a transfer leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its new state.
    pub state: TokenState,
    /// Its asset.
    pub asset: AssetId,
    /// Its amount in base units.
    pub amount: u64,
    /// Its new owner.
    pub owner: Address,
}

/// A transfer with a signature that nobody has checked yet. Any bytes may be in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransfer {
    /// The transfer.
    pub transfer: Transfer,
    /// Said to be the owner's, over [`Transfer::statement`].
    pub signature: Signature,
}
canonical_struct!(SignedTransfer { transfer, signature });

/// A transfer whose owner's signature is valid and whose id is computed. Only this can be batched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTransfer {
    signed: SignedTransfer,
    id: TransferId,
}

impl VerifiedTransfer {
    /// Checks the signature alone.
    ///
    /// # Errors
    /// [`TransferError::BadSignature`].
    pub fn verify(signed: SignedTransfer) -> Result<Self, TransferError> {
        let id = signed.transfer.id();
        let statement = signed.transfer.statement(id);
        if !signed.transfer.owner.0.verifies(&signed.signature, &statement) {
            return Err(TransferError::BadSignature);
        }
        Ok(Self { signed, id })
    }

    /// Takes a transfer whose signature [`verify_owners`] has just found valid, and its id.
    ///
    /// # Panics
    /// When `id` is not the transfer's: an id decides about money and is computed again.
    pub fn assume_verified(signed: SignedTransfer, id: TransferId) -> Self {
        assert_eq!(signed.transfer.id(), id);
        Self { signed, id }
    }

    /// The signed transfer.
    pub fn signed(&self) -> &SignedTransfer {
        &self.signed
    }

    /// The transfer.
    pub fn transfer(&self) -> &Transfer {
        &self.signed.transfer
    }

    /// Its id.
    pub fn id(&self) -> TransferId {
        self.id
    }
}

/// Checks the owners' signatures of many transfers: `valid[i]` is for `transfers[i]`, whose id is
/// `ids[i]`. See [`verify_batch`] for cost and `rng`.
///
/// # Panics
/// When the slices differ in length.
pub fn verify_owners(
    transfers: &[&SignedTransfer],
    ids: &[TransferId],
    rng: &mut impl CryptoRng,
) -> Vec<bool> {
    assert_eq!(transfers.len(), ids.len());
    let statements: Vec<Vec<u8>> =
        transfers.iter().zip(ids).map(|(signed, id)| signed.transfer.statement(*id)).collect();
    let items: Vec<Signed<'_>> = transfers
        .iter()
        .zip(&statements)
        .map(|(signed, statement)| Signed {
            key: signed.transfer.owner.0,
            signature: signed.signature,
            message: statement,
        })
        .collect();
    verify_batch(&items, rng)
}

#[cfg(test)]
mod tests;
