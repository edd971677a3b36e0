//! The books of the whole network, kept by the check's own arithmetic: every state that a certified
//! transfer made, with its value and owner. What is applied spends states that exist, by their
//! owner, at their value; per asset as much comes out as goes in; a token has one state a height,
//! so that its histories on all honest nodes are prefixes of one chain.

use super::Broken;
use consensus::{Batch, Tips};
use ledger::state::created_token_id;
use ledger::{
    Address, AssetId, Bitmap, Network, Output, TokenId, TokenState, Transfer, TransferId,
};
use std::collections::BTreeMap;

const NAME: &str = "books";

/// What a state is worth, and whose it is.
type Value = (AssetId, u64, Address);

/// All states that ever were.
#[derive(Debug, Default)]
pub struct Books {
    states: BTreeMap<TokenState, Value>,
    /// Who made the state of a token at a height.
    chain: BTreeMap<(TokenId, u64), TransferId>,
    /// Transfers that are in the books.
    entered: BTreeMap<TransferId, ()>,
}

impl Books {
    /// With the states of genesis.
    pub fn new(network: &Network) -> Self {
        let mut books = Self::default();
        for made in network.tokens() {
            books.states.insert(made.state, (made.asset, made.amount, made.owner));
            books.chain.insert((made.state.token, made.state.height), made.state.made_by);
        }
        books
    }

    /// A member applies these entries.
    ///
    /// # Errors
    /// When one of them does not fit the books.
    pub fn applied(&mut self, member: u16, batch: &Batch, bits: &Bitmap) -> Result<(), Broken> {
        for index in bits.indexes() {
            let (id, transfer) = (batch.ids()[index], &batch.entries()[index].signed.transfer);
            if self.entered.insert(id, ()).is_none() {
                let entered = self.enter(id, transfer);
                entered
                    .map_err(|what| (NAME, format!("member {member} applied {id:?}: {what}")))?;
            }
        }
        Ok(())
    }

    fn enter(&mut self, id: TransferId, transfer: &Transfer) -> Result<(), String> {
        let mut sums: BTreeMap<AssetId, i128> = BTreeMap::new();
        for input in &transfer.inputs {
            let value = (input.asset, input.amount, transfer.owner);
            match self.states.get(&input.state) {
                Some(known) if *known == value => {}
                known => return Err(format!("{:?} is {known:?}, not {value:?}", input.state)),
            }
            *sums.entry(input.asset).or_default() += i128::from(input.amount);
        }
        for (index, output) in (0u32..).zip(&transfer.outputs) {
            let created = TokenState { token: created_token_id(id, index), height: 0, made_by: id };
            let (state, value) = match output {
                Output::Move { input, to } => {
                    let from = transfer.inputs.get(usize::from(*input)).ok_or("no such input")?;
                    let height = from.state.height + 1;
                    *sums.entry(from.asset).or_default() -= i128::from(from.amount);
                    let state = TokenState { token: from.state.token, height, made_by: id };
                    (state, (from.asset, from.amount, *to))
                }
                Output::Create { asset, amount, to } => {
                    *sums.entry(*asset).or_default() -= i128::from(*amount);
                    (created, (*asset, *amount, *to))
                }
                Output::Issue { .. } => return Err("nobody issues anything here".into()),
            };
            let before = *self.chain.entry((state.token, state.height)).or_insert(id);
            if before != id {
                return Err(format!("{before:?} made another state at that height of {state:?}"));
            }
            self.states.insert(state, value);
        }
        match sums.iter().find(|(_, sum)| **sum != 0) {
            Some((asset, sum)) => Err(format!("{sum} base units of {asset:?} are lost")),
            None => Ok(()),
        }
    }

    /// A member shows where its tokens stand.
    ///
    /// # Errors
    /// When one is not in the books, or is worth something else, or an owner's balance is not the
    /// sum of its tokens.
    pub fn stands(&self, member: u16, tips: &Tips) -> Result<(), Broken> {
        let mut sums: BTreeMap<Address, BTreeMap<AssetId, (u64, u64)>> = BTreeMap::new();
        for (token, tip) in tips.tokens() {
            let sum = sums.entry(tip.owner).or_default();
            if tip.ended_by.is_none() {
                let (units, tokens) = sum.entry(tip.asset).or_default();
                (*units, *tokens) = (*units + tip.amount, *tokens + 1);
            }
            let value = (tip.asset, tip.amount, tip.owner);
            if self.states.get(&tip.state(*token)) != Some(&value) {
                let what = format!("member {member} shows {value:?} for {:?}", tip.state(*token));
                return Err((NAME, what));
            }
        }
        for (owner, sums) in sums {
            let told = tips.balances(&owner).into_iter();
            if !told.map(|(asset, sum)| (asset, (sum.units, sum.tokens))).eq(sums) {
                return Err((NAME, format!("member {member} miscounts what {owner:?} has")));
            }
        }
        Ok(())
    }
}
