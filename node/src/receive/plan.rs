//! What a batch of receipts would change, decided against the heads as they were seen, receipt by
//! receipt: each sees what those before it change. Nothing is written here. A transfer fits with
//! all its tokens that concern the wallet, or changes nothing.

use super::chain::{Chain, Fit, Touch, fit};
use super::heads::{Heads, Move, Seen};
use ledger::{Address, Output, TokenId, TokenState, Transfer, TransferId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a receipt means to the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Its tokens move.
    New,
    /// It lies below what is known.
    Old,
    /// It has nothing to do with a hosted address or a token that is tracked.
    Foreign,
    /// Receipts that have to be seen first.
    Gap(Vec<TransferId>),
    /// A state that it spends has another spender.
    Fork {
        /// The state.
        state: TokenState,
        /// The spender that is known.
        other: TransferId,
    },
    /// There is no room for its tokens.
    Full,
}

struct Planned {
    seen: Seen,
    chain: Option<Arc<Chain>>,
    is_changed: bool,
}

/// A plan in the making.
pub struct Plan<'a> {
    heads: &'a Heads,
    hosted: &'a BTreeSet<Address>,
    tokens: BTreeMap<TokenId, Planned>,
}

/// The tokens that a transfer may move for this wallet: what guards are taken for.
pub fn tokens(transfer: &Transfer, id: TransferId, hosted: &BTreeSet<Address>) -> Vec<TokenId> {
    let inputs = transfer.inputs.iter().map(|input| input.state.token);
    let made = transfer.made(id).into_iter();
    let created = made.filter(|made| made.state.height == 0 && hosted.contains(&made.owner));
    inputs.chain(created.map(|made| made.state.token)).collect()
}

impl<'a> Plan<'a> {
    /// An empty plan.
    pub fn new(heads: &'a Heads, hosted: &'a BTreeSet<Address>) -> Self {
        Self { heads, hosted, tokens: BTreeMap::new() }
    }

    /// Decides one receipt's transfer, and takes its changes into the plan if it is new.
    pub fn decide(&mut self, transfer: &Transfer, id: TransferId) -> Decision {
        let touches = self.touches(transfer, id);
        if touches.is_empty() {
            return Decision::Foreign;
        }
        let mut changed: Vec<(TokenId, Chain)> = Vec::new();
        let mut missing = Vec::new();
        let mut is_known = false;
        for touch in &touches {
            let Some(planned) = self.planned(touch.token) else { return Decision::Full };
            match fit(planned.chain.as_deref(), touch) {
                Fit::New(chain) => changed.push((touch.token, chain)),
                Fit::Known => is_known = true,
                Fit::Old => {}
                Fit::Gap(ids) => missing.extend(ids),
                Fit::Fork { state, other } => return Decision::Fork { state, other },
            }
        }
        if !missing.is_empty() {
            return Decision::Gap(missing);
        }
        if changed.is_empty() && !is_known {
            return Decision::Old;
        }
        for (token, chain) in changed {
            let planned = self.tokens.get_mut(&token).expect("it was looked at above");
            planned.chain = Some(Arc::new(chain));
            planned.is_changed = true;
        }
        Decision::New
    }

    fn planned(&mut self, token: TokenId) -> Option<&Planned> {
        if !self.tokens.contains_key(&token) {
            let seen = self.heads.see(&token)?;
            let chain = seen.chain.clone();
            self.tokens.insert(token, Planned { seen, chain, is_changed: false });
        }
        self.tokens.get(&token)
    }

    fn is_tracked(&self, token: &TokenId) -> bool {
        match self.tokens.get(token) {
            Some(planned) => planned.chain.is_some(),
            None => self.heads.chain(token).is_some(),
        }
    }

    /// What the transfer does to the tokens that concern the wallet.
    fn touches(&self, transfer: &Transfer, id: TransferId) -> Vec<Touch> {
        let is_ours = self.hosted.contains(&transfer.owner);
        let mut moved: Vec<Option<Address>> = vec![None; transfer.inputs.len()];
        for output in &transfer.outputs {
            if let Output::Move { input, to } = output
                && let Some(moved) = moved.get_mut(usize::from(*input))
            {
                *moved = Some(*to);
            }
        }
        let mut touches = Vec::new();
        for (input, makes) in transfer.inputs.iter().zip(moved) {
            let token = input.state.token;
            let is_received = makes.is_some_and(|to| self.hosted.contains(&to));
            if is_ours || is_received || self.is_tracked(&token) {
                touches.push(Touch {
                    token,
                    asset: input.asset,
                    amount: input.amount,
                    by: id,
                    spends: Some((input.state, transfer.owner)),
                    makes,
                });
            }
        }
        for made in transfer.made(id) {
            // A moved token is above height 0, and was taken with its input.
            if made.state.height == 0 && self.hosted.contains(&made.owner) {
                touches.push(Touch {
                    token: made.state.token,
                    asset: made.asset,
                    amount: made.amount,
                    by: id,
                    spends: None,
                    makes: Some(made.owner),
                });
            }
        }
        touches
    }

    /// The heads that move, ascending by token, and their tokens.
    pub fn moves(self) -> (Vec<TokenId>, Vec<Move>) {
        let changed = self.tokens.into_iter().filter(|(_, planned)| planned.is_changed);
        let of = |(token, planned): (TokenId, Planned)| {
            let next = planned.chain.expect("what is changed is there");
            (token, Move { seen: planned.seen, next })
        };
        changed.map(of).unzip()
    }
}
