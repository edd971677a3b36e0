//! Transfers: what an owner signs, and the rules about them that need no store (R3 and the shape).
//!
//! One object does it all: paying, paying with change, paying many at once, splitting, joining and issuing
//! are inputs and outputs of one transfer, signed once, all or nothing. Whether the inputs are the tips of
//! their tokens (R2) is for `consensus` to say.

use crate::address::Address;
use crate::asset::{AssetDefinition, AssetKind, issued_asset_id};
use crate::encoding::{Canonical, DecodeError, Reader, canonical_struct, write_bytes, write_list};
use crate::hash::{AssetId, NetworkId, Tag, TokenId, TransferId, hash};
use crate::key::{Keypair, Signature, Signed, verify_batch};
use crate::state::{TokenState, created_token_id};
use crate::statement::Statement;
use rand_core::CryptoRng;
use std::collections::BTreeMap;

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

/// A token state that a transfer spends, with its asset and amount, so that a receipt proves value by
/// itself. A validator refuses an input whose asset or amount is not its tip's.
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

/// A transfer that breaks a rule by itself, whatever the store says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// It is for another network.
    #[error("the transfer is for network {found}, and this is network {expected}")]
    OtherNetwork {
        /// Ours.
        expected: NetworkId,
        /// The transfer's.
        found: NetworkId,
    },
    /// It is for another epoch.
    #[error("the transfer is for epoch {found}, and this is epoch {expected}")]
    OtherEpoch {
        /// Ours.
        expected: u64,
        /// The transfer's.
        found: u64,
    },
    /// No inputs, or no outputs.
    #[error("a transfer needs at least one input and one output")]
    Empty,
    /// More inputs, outputs or memo bytes than allowed.
    #[error("more {what} than the {max} that are allowed")]
    TooMany {
        /// Which list.
        what: &'static str,
        /// Its limit.
        max: usize,
    },
    /// Inputs are not sorted by token, or one token is there twice.
    #[error("the inputs are not sorted, or token {0} is spent twice in this transfer")]
    InputOrder(TokenId),
    /// An output of zero.
    #[error("output {0} is zero")]
    ZeroOutput(usize),
    /// A `Move` of an input that is not there, or that another output moves already.
    #[error("output {output} moves input {input}, which is not there or is moved already")]
    BadMove {
        /// Index of the output.
        output: usize,
        /// The input it names.
        input: u16,
    },
    /// Inputs that are not moved and `Create` outputs differ for an asset.
    #[error("asset {asset}: {spent} base units go in and {made} come out")]
    Unbalanced {
        /// The asset.
        asset: AssetId,
        /// Sum of the inputs that are not moved.
        spent: u128,
        /// Sum of the `Create` outputs.
        made: u128,
    },
    /// An item that is not moved, or an item issued with a supply other than 1.
    #[error("asset {0} is indivisible: its token can only move")]
    Indivisible(AssetId),
    /// An issued asset takes a reserved name.
    #[error("the name {0:?} belongs to an asset of the genesis")]
    ReservedName(String),
    /// The owner's signature is not valid.
    #[error("the signature is not the owner's")]
    BadSignature,
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
                    let height = spent.state.height.checked_add(1).expect("2^64 moves");
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

    /// The rules that need no store: R3 (amounts balance per asset, items only move, names of genesis
    /// assets are reserved) and the shape of §2.
    ///
    /// # Errors
    /// Any [`TransferError`] but the one about the signature.
    pub fn check(&self, rules: &impl Rules) -> Result<(), TransferError> {
        let (expected, found) = (rules.network(), self.network);
        if found != expected {
            return Err(TransferError::OtherNetwork { expected, found });
        }
        let (expected, found) = (rules.epoch(), self.epoch);
        if found != expected {
            return Err(TransferError::OtherEpoch { expected, found });
        }
        self.check_shape()?;
        let is_moved = self.check_outputs(rules)?;
        self.check_balance(&is_moved, rules)
    }

    fn check_shape(&self) -> Result<(), TransferError> {
        if self.inputs.is_empty() || self.outputs.is_empty() {
            return Err(TransferError::Empty);
        }
        for (what, found, max) in [
            ("inputs", self.inputs.len(), INPUTS_MAX),
            ("outputs", self.outputs.len(), OUTPUTS_MAX),
            ("bytes in the memo", self.memo.len(), MEMO_BYTES_MAX),
        ] {
            if found > max {
                return Err(TransferError::TooMany { what, max });
            }
        }
        let unsorted = self.inputs.windows(2).find(|w| w[0].state.token >= w[1].state.token);
        match unsorted {
            Some(pair) => Err(TransferError::InputOrder(pair[1].state.token)),
            None => Ok(()),
        }
    }

    /// Returns, for each input, whether an output moves it.
    fn check_outputs(&self, rules: &impl Rules) -> Result<Vec<bool>, TransferError> {
        let mut is_moved = vec![false; self.inputs.len()];
        for (index, output) in self.outputs.iter().enumerate() {
            match output {
                Output::Move { input, .. } => match is_moved.get_mut(usize::from(*input)) {
                    Some(moved) if !*moved => *moved = true,
                    _ => return Err(TransferError::BadMove { output: index, input: *input }),
                },
                Output::Create { amount: 0, .. } | Output::Issue { supply: 0, .. } => {
                    return Err(TransferError::ZeroOutput(index));
                }
                Output::Create { .. } => {}
                Output::Issue { definition, supply, .. } => {
                    if rules.is_reserved(&definition.name) {
                        return Err(TransferError::ReservedName(definition.name.clone()));
                    }
                    let is_item = matches!(definition.kind, AssetKind::Item { .. });
                    if is_item && *supply != 1 {
                        let index = u32::try_from(index).expect("at most 4,096 outputs");
                        return Err(TransferError::Indivisible(issued_asset_id(self.id(), index)));
                    }
                }
            }
        }
        Ok(is_moved)
    }

    fn check_balance(&self, is_moved: &[bool], rules: &impl Rules) -> Result<(), TransferError> {
        // Sums of at most 4,096 values of 64 bits fit 128 bits.
        let mut sums: BTreeMap<AssetId, (u128, u128)> = BTreeMap::new();
        for (input, _) in self.inputs.iter().zip(is_moved).filter(|(_, moved)| !**moved) {
            if rules.is_indivisible(&input.asset) {
                return Err(TransferError::Indivisible(input.asset));
            }
            sums.entry(input.asset).or_default().0 += u128::from(input.amount);
        }
        for output in &self.outputs {
            if let Output::Create { asset, amount, .. } = output {
                sums.entry(*asset).or_default().1 += u128::from(*amount);
            }
        }
        match sums.into_iter().find(|(_, (spent, made))| spent != made) {
            Some((asset, (spent, made))) => Err(TransferError::Unbalanced { asset, spent, made }),
            None => Ok(()),
        }
    }
}

/// What [`Transfer::check`] has to know about the network; genesis and the validator's state implement it.
pub trait Rules {
    /// The network id.
    fn network(&self) -> NetworkId;
    /// The epoch.
    fn epoch(&self) -> u64;
    /// Whether a genesis asset has this name.
    fn is_reserved(&self, name: &str) -> bool;
    /// Whether tokens of this asset can only move. False for an asset that is not known: nothing of it can
    /// be an input that is some validator's tip.
    fn is_indivisible(&self, asset: &AssetId) -> bool;
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

/// Checks the owners' signatures of many transfers: `valid[i]` is for `transfers[i]`, whose id is `ids[i]`.
/// See [`verify_batch`] for cost and `rng`.
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
