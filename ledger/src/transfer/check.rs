//! The rules about one transfer that need no store: the shape of §2, and R3, amounts balance per
//! asset and indivisible tokens only move. Whether the inputs are tips (R2) and the signature are
//! not checked here.

use super::{INPUTS_MAX, MEMO_BYTES_MAX, OUTPUTS_MAX, Output, Transfer};
use crate::asset::{AssetDefinition, issued_asset_id};
use crate::hash::{AssetId, NetworkId, TokenId};
use std::collections::BTreeMap;

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
    /// A `Move` of an input that is not there, that another output moves already, or whose height
    /// is the greatest that 64 bits hold.
    #[error("output {output} moves input {input}, which is not there or can't move (again)")]
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
    /// An issued asset whose name, decimals or content CID no decoder accepts.
    #[error("output {0} issues an asset whose name, decimals or content id is not allowed")]
    BadDefinition(usize),
    /// An issued asset takes a reserved name.
    #[error("the name {0:?} belongs to an asset of the genesis")]
    ReservedName(String),
    /// The owner's signature is not valid.
    #[error("the signature is not the owner's")]
    BadSignature,
}

/// What [`Transfer::check`] has to know about the network; genesis and the validator's state
/// implement it.
pub trait Rules {
    /// The network id.
    fn network(&self) -> NetworkId;
    /// The epoch.
    fn epoch(&self) -> u64;
    /// Whether a genesis asset has this name.
    fn is_reserved(&self, name: &str) -> bool;
    /// Whether tokens of this asset can only move. False for an asset that is not known: nothing of
    /// it can be an input that is some validator's tip.
    fn is_indivisible(&self, asset: &AssetId) -> bool;
}

impl Transfer {
    /// The rules that need no store: R3 (amounts balance per asset, items only move, names of
    /// genesis assets are reserved) and the shape of §2.
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
                Output::Move { input, .. } => {
                    self.check_move(index, *input, &is_moved)?;
                    is_moved[usize::from(*input)] = true;
                }
                Output::Create { amount: 0, .. } | Output::Issue { supply: 0, .. } => {
                    return Err(TransferError::ZeroOutput(index));
                }
                Output::Create { .. } => {}
                Output::Issue { definition, supply, .. } => {
                    self.check_issue(index, definition, *supply, rules)?;
                }
            }
        }
        Ok(is_moved)
    }

    fn check_move(
        &self,
        output: usize,
        input: u16,
        is_moved: &[bool],
    ) -> Result<(), TransferError> {
        let moved = self.inputs.get(usize::from(input)).zip(is_moved.get(usize::from(input)));
        match moved {
            // Nobody's tip is that high; `made` counts one up, also for what strangers invent.
            Some((spent, false)) if spent.state.height < u64::MAX => {
                if spent.amount == 0 {
                    Err(TransferError::ZeroOutput(output))
                } else {
                    Ok(())
                }
            }
            _ => Err(TransferError::BadMove { output, input }),
        }
    }

    fn check_issue(
        &self,
        output: usize,
        definition: &AssetDefinition,
        supply: u64,
        rules: &impl Rules,
    ) -> Result<(), TransferError> {
        // Decoding has checked this of what came as bytes; what a client built in memory must not
        // get into a batch that every other validator refuses whole.
        definition.check().map_err(|_| TransferError::BadDefinition(output))?;
        if rules.is_reserved(&definition.name) {
            return Err(TransferError::ReservedName(definition.name.clone()));
        }
        if definition.is_indivisible() && supply != 1 {
            let output = u32::try_from(output).expect("at most 4,096 outputs");
            return Err(TransferError::Indivisible(issued_asset_id(self.id(), output)));
        }
        Ok(())
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

#[cfg(test)]
mod tests;
