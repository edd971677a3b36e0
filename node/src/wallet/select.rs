//! Choosing which tokens a transfer spends, and what comes out of it. Pure: tokens come in, a
//! transfer goes out, nothing is read, reserved or sent here.

use ledger::transfer::INPUTS_MAX;
use ledger::{Address, AssetId, Input, Output, TokenId};

/// What the sender asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This many base units; largest tokens first, the rest comes back as change.
    Amount(u64),
    /// Any so many tokens, as they are.
    Count(usize),
    /// These tokens, as they are.
    Whole(Vec<TokenId>),
    /// This many base units out of these tokens, all of which are spent.
    From(Vec<TokenId>, u64),
}

/// Tokens chosen: sorted by token id, as a transfer needs its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// What is spent.
    pub inputs: Vec<Input>,
    /// Base units that the receiver gets.
    pub amount: u64,
    /// Base units that come back.
    pub change: u64,
    /// Whether the tokens keep their identity.
    pub is_whole: bool,
}

/// Why the tokens at hand do not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// Too little.
    #[error("too little: {available} base units are free and {wanted} are wanted")]
    TooLittle {
        /// Base units asked for.
        wanted: u64,
        /// Base units free.
        available: u64,
    },
    /// Too few tokens.
    #[error("too few tokens: {available} are free and {wanted} are wanted")]
    TooFew {
        /// Tokens asked for.
        wanted: usize,
        /// Tokens free.
        available: usize,
    },
    /// The amount is there, in more pieces than a transfer takes.
    #[error("the {INPUTS_MAX} largest tokens hold {covered} base units and {wanted} are wanted")]
    TooManyPieces {
        /// Base units asked for.
        wanted: u64,
        /// What the largest tokens hold together.
        covered: u64,
    },
    /// More tokens than one transfer takes, or none.
    #[error("a transfer takes 1 to {INPUTS_MAX} tokens and {0} are asked for")]
    BadCount(usize),
    /// A token that is not among the owner's.
    #[error("token {0} is not the sender's")]
    NotOwned(TokenId),
    /// Tokens of different assets.
    #[error("token {0} is of another asset than the ones before it")]
    OtherAsset(TokenId),
    /// A sum above 64 bits, which no supply is.
    #[error("the tokens hold more than 64 bits count")]
    Overflow,
}

/// Chooses out of `tokens`, the owner's free ones of one asset (for named tokens: all of its own,
/// whatever the asset). The choice depends on nothing but the arguments, their order too.
///
/// # Errors
/// Every [`SelectError`].
pub fn choose(tokens: &[Input], wanted: &Wanted) -> Result<Chosen, SelectError> {
    match wanted {
        Wanted::Amount(amount) => cover(tokens, *amount),
        Wanted::Count(count) => any(tokens, *count),
        Wanted::Whole(ids) => {
            let inputs = named(tokens, ids)?;
            let amount = sum(&inputs)?;
            Ok(Chosen { inputs, amount, change: 0, is_whole: true })
        }
        Wanted::From(ids, amount) => {
            let inputs = named(tokens, ids)?;
            let available = sum(&inputs)?;
            let change = available
                .checked_sub(*amount)
                .ok_or(SelectError::TooLittle { wanted: *amount, available })?;
            Ok(Chosen { inputs, amount: *amount, change, is_whole: false })
        }
    }
}

/// Largest first, so that few inputs are needed; equal ones by id, so that runs can be repeated.
fn cover(tokens: &[Input], wanted: u64) -> Result<Chosen, SelectError> {
    let mut largest: Vec<&Input> = tokens.iter().collect();
    largest.sort_by(|a, b| b.amount.cmp(&a.amount).then(a.state.cmp(&b.state)));
    let mut inputs = Vec::new();
    let mut covered: u64 = 0;
    for token in largest {
        if covered >= wanted {
            break;
        }
        if inputs.len() == INPUTS_MAX {
            let available = sum(tokens)?;
            return Err(match available < wanted {
                true => SelectError::TooLittle { wanted, available },
                false => SelectError::TooManyPieces { wanted, covered },
            });
        }
        covered = covered.checked_add(token.amount).ok_or(SelectError::Overflow)?;
        inputs.push(*token);
    }
    let too_little = SelectError::TooLittle { wanted, available: covered };
    let change = covered.checked_sub(wanted).ok_or(too_little)?;
    Ok(Chosen { inputs: sorted(inputs), amount: wanted, change, is_whole: false })
}

/// Any so many, smallest first: the large ones stay for payments.
fn any(tokens: &[Input], count: usize) -> Result<Chosen, SelectError> {
    if !(1..=INPUTS_MAX).contains(&count) {
        return Err(SelectError::BadCount(count));
    }
    if tokens.len() < count {
        return Err(SelectError::TooFew { wanted: count, available: tokens.len() });
    }
    let mut smallest = tokens.to_vec();
    smallest.sort_by(|a, b| a.amount.cmp(&b.amount).then(a.state.cmp(&b.state)));
    smallest.truncate(count);
    let amount = sum(&smallest)?;
    Ok(Chosen { inputs: sorted(smallest), amount, change: 0, is_whole: true })
}

fn named(tokens: &[Input], ids: &[TokenId]) -> Result<Vec<Input>, SelectError> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    if !(1..=INPUTS_MAX).contains(&ids.len()) {
        return Err(SelectError::BadCount(ids.len()));
    }
    let of = |id: &TokenId| {
        tokens.iter().find(|token| token.state.token == *id).ok_or(SelectError::NotOwned(*id))
    };
    let inputs: Vec<Input> = ids.iter().map(|id| of(id).copied()).collect::<Result<_, _>>()?;
    let other = inputs.iter().find(|input| input.asset != inputs[0].asset);
    match other {
        Some(input) => Err(SelectError::OtherAsset(input.state.token)),
        None => Ok(inputs),
    }
}

fn sum(inputs: &[Input]) -> Result<u64, SelectError> {
    let add = |sum: u64, input: &Input| sum.checked_add(input.amount);
    inputs.iter().try_fold(0, add).ok_or(SelectError::Overflow)
}

fn sorted(mut inputs: Vec<Input>) -> Vec<Input> {
    inputs.sort_by_key(|input| input.state);
    inputs
}

impl Chosen {
    /// The asset of the tokens; there is at least one.
    pub fn asset(&self) -> AssetId {
        self.inputs[0].asset
    }

    /// The outputs that give `amount` to `to` and the change back to `owner`.
    ///
    /// # Panics
    /// Never: there are at most 4,096 inputs.
    pub fn outputs(&self, owner: Address, to: Address) -> Vec<Output> {
        if self.is_whole {
            let index = |index| u16::try_from(index).expect("at most 4,096 inputs");
            let each = |input: usize| Output::Move { input: index(input), to };
            return (0..self.inputs.len()).map(each).collect();
        }
        let asset = self.asset();
        let mut outputs = vec![Output::Create { asset, amount: self.amount, to }];
        if self.change > 0 {
            outputs.push(Output::Create { asset, amount: self.change, to: owner });
        }
        outputs
    }
}

#[cfg(test)]
mod tests;
