//! A ledger of the slow kind: genesis tokens, and the final transfers applied one by one, each as
//! soon as it finds its states. It knows amounts, owners and chains and nothing of validators; what
//! it says is compared with what each node says.

use ledger::state::created_token_id;
use ledger::{Address, AssetId, Made, Network, Output, Transfer, TransferId};
use ledger::{TokenId, TokenState};
use std::collections::{BTreeMap, BTreeSet};

/// A token as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Live {
    /// Its newest state.
    pub state: TokenState,
    /// Its asset.
    pub asset: AssetId,
    /// Its amount.
    pub amount: u64,
}

/// Where all tokens stand.
pub struct Model {
    live: BTreeMap<TokenState, (Address, AssetId, u64)>,
    /// Of each token that was moved or made: who made its states, oldest first; zeros for genesis.
    chains: BTreeMap<TokenId, Vec<TransferId>>,
    /// Tokens that were split or joined, and by which transfer.
    ended: BTreeMap<TokenId, TransferId>,
    issued: BTreeMap<AssetId, u64>,
    /// What can't be.
    pub problems: Vec<String>,
}

impl Model {
    /// Applies these final transfers to the genesis.
    pub fn new(network: &Network, finals: &BTreeMap<TransferId, Transfer>) -> Self {
        let mut model = Self {
            live: BTreeMap::new(),
            chains: BTreeMap::new(),
            ended: BTreeMap::new(),
            issued: BTreeMap::new(),
            problems: Vec::new(),
        };
        for Made { state, asset, amount, owner } in network.tokens() {
            model.live.insert(state, (owner, asset, amount));
            *model.issued.entry(asset).or_default() += amount;
        }
        model.apply_all(finals);
        model
    }

    fn apply_all(&mut self, finals: &BTreeMap<TransferId, Transfer>) {
        let mut spenders: BTreeMap<TokenState, TransferId> = BTreeMap::new();
        for (id, transfer) in finals {
            for input in &transfer.inputs {
                if let Some(other) = spenders.insert(input.state, *id) {
                    let token = input.state.token;
                    self.problems.push(format!("a state of {token} is spent by {other} and {id}"));
                }
            }
        }
        let mut ready: Vec<TransferId> = finals.keys().copied().collect();
        let mut applied: BTreeSet<TransferId> = BTreeSet::new();
        while let Some(id) = ready.pop() {
            let transfer = &finals[&id];
            let has_all = transfer.inputs.iter().all(|input| self.live.contains_key(&input.state));
            if !has_all || !applied.insert(id) {
                continue;
            }
            for made in self.apply(id, transfer) {
                ready.extend(spenders.get(&made));
            }
        }
        for id in finals.keys().filter(|id| !applied.contains(id)) {
            self.problems.push(format!("{id} is final and spends what no final transfer made"));
        }
    }

    /// Moves the tokens of one transfer whose states all live; returns the states it makes.
    fn apply(&mut self, id: TransferId, transfer: &Transfer) -> Vec<TokenState> {
        let mut sums: BTreeMap<AssetId, i128> = BTreeMap::new();
        let mut spent = Vec::new();
        for input in &transfer.inputs {
            let found = self.live.remove(&input.state).expect("looked at before");
            let (owner, asset, amount) = found;
            if owner != transfer.owner || (asset, amount) != (input.asset, input.amount) {
                self.problems.push(format!("{id} spends {} as another's", input.state.token));
            }
            *sums.entry(asset).or_default() += i128::from(amount);
            spent.push((input.state, asset, amount));
        }
        let mut made = Vec::new();
        let mut moved: BTreeSet<TokenId> = BTreeSet::new();
        for (index, output) in (0u32..).zip(&transfer.outputs) {
            let (state, owner, asset, amount) = match output {
                Output::Move { input, to } => {
                    let (before, asset, amount) = spent[usize::from(*input)];
                    moved.insert(before.token);
                    let height = before.height + 1;
                    (TokenState { height, made_by: id, ..before }, *to, asset, amount)
                }
                Output::Create { asset, amount, to } => {
                    let token = created_token_id(id, index);
                    (TokenState { token, height: 0, made_by: id }, *to, *asset, *amount)
                }
                Output::Issue { .. } => {
                    self.problems.push(format!("{id} issues, which no client here does"));
                    continue;
                }
            };
            *sums.entry(asset).or_default() -= i128::from(amount);
            let chain = self.chains.entry(state.token).or_default();
            if chain.is_empty() && state.height > 0 {
                chain.push(TransferId::default());
            }
            chain.push(id);
            self.live.insert(state, (owner, asset, amount));
            made.push(state);
        }
        for (state, ..) in spent.iter().filter(|(state, ..)| !moved.contains(&state.token)) {
            self.ended.insert(state.token, id);
        }
        if sums.values().any(|sum| *sum != 0) {
            self.problems.push(format!("{id} does not balance: {sums:?}"));
        }
        made
    }

    /// The live tokens of every owner, in order.
    pub fn owners(&self) -> BTreeMap<Address, BTreeSet<Live>> {
        let mut owners: BTreeMap<Address, BTreeSet<Live>> = BTreeMap::new();
        for (state, (owner, asset, amount)) in &self.live {
            let live = Live { state: *state, asset: *asset, amount: *amount };
            owners.entry(*owner).or_default().insert(live);
        }
        owners
    }

    /// The amount of each asset that lives, which is what genesis issued.
    pub fn supply(&mut self) -> BTreeMap<AssetId, u64> {
        let mut live: BTreeMap<AssetId, u64> = BTreeMap::new();
        for (_, asset, amount) in self.live.values() {
            *live.entry(*asset).or_default() += amount;
        }
        if live != self.issued {
            self.problems.push(format!("issued {:?}, live {live:?}", self.issued));
        }
        live
    }

    /// Who made the states of some tokens, newest first, and who ended the token: every `step`-th
    /// token that was ever moved.
    pub fn chains(&self, step: usize) -> Vec<(TokenId, Vec<TransferId>, Option<TransferId>)> {
        let some = self.chains.iter().step_by(step.max(1));
        let chain = |(token, chain): (&TokenId, &Vec<TransferId>)| {
            let newest_first = chain.iter().rev().copied().collect();
            (*token, newest_first, self.ended.get(token).copied())
        };
        some.map(chain).collect()
    }

    /// How many tokens were ever moved.
    pub fn chain_count(&self) -> usize {
        self.chains.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use ledger::Input;

    fn network() -> Network {
        Plan { seed: Some(1), tokens: 2, ..Plan::default() }.draw(None).expect("a plan").network
    }

    fn spend(network: &Network, made: &Made, outputs: Vec<Output>) -> Transfer {
        let input = Input { state: made.state, asset: made.asset, amount: made.amount };
        Transfer {
            network: network.id,
            epoch: network.epoch,
            owner: made.owner,
            inputs: vec![input],
            outputs,
            memo: String::new(),
        }
    }

    fn finals(transfers: &[Transfer]) -> BTreeMap<TransferId, Transfer> {
        transfers.iter().map(|transfer| (transfer.id(), transfer.clone())).collect()
    }

    #[test]
    fn transfers_are_applied_whatever_their_order_and_value_stays() {
        let network = network();
        let tokens: Vec<Made> = network.tokens().collect();
        let (first, to) = (tokens[0], tokens[3].owner);
        let one = spend(&network, &first, vec![Output::Move { input: 0, to }]);
        let made = one.made(one.id())[0];
        let create = |amount| Output::Create { asset: made.asset, amount, to: first.owner };
        let two = spend(&network, &made, vec![create(400), create(600)]);
        let mut model = Model::new(&network, &finals(&[two.clone(), one.clone()]));
        let supply: Vec<u64> = model.supply().into_values().collect();
        assert_eq!((supply, model.problems.len()), (vec![20_000], 0), "{:?}", model.problems);
        assert_eq!(model.owners()[&first.owner].len(), 3);
        let (chains, genesis) = (model.chains(1), TransferId::default());
        let of_first = chains.iter().find(|(token, ..)| *token == first.state.token);
        assert_eq!(of_first, Some(&(first.state.token, vec![one.id(), genesis], Some(two.id()))));
        assert_eq!(model.chain_count(), 3);
    }

    #[test]
    fn what_cannot_be_is_told() {
        let network = network();
        let tokens: Vec<Made> = network.tokens().collect();
        let to = |index: usize| vec![Output::Move { input: 0, to: tokens[index].owner }];
        let problems = |transfers: &[Transfer]| {
            let mut model = Model::new(&network, &finals(transfers));
            model.supply();
            model.problems.join("\n")
        };
        let one = spend(&network, &tokens[0], to(3));
        let other = spend(&network, &tokens[0], to(5));
        assert!(problems(&[one.clone(), other]).contains("is spent by"));
        let orphan = spend(&network, &one.made(one.id())[0], to(5));
        assert!(problems(std::slice::from_ref(&orphan)).contains("no final transfer made"));
        assert_eq!(problems(&[one.clone(), orphan]), "");
        let stolen = Transfer { owner: tokens[5].owner, ..one.clone() };
        assert!(problems(&[stolen]).contains("another's"));
        let (asset, to) = (tokens[0].asset, tokens[3].owner);
        let more = Output::Create { asset, amount: tokens[0].amount + 1, to };
        let found = problems(&[spend(&network, &tokens[0], vec![more])]);
        assert!(found.contains("does not balance") && found.contains("issued"), "{found}");
    }
}
