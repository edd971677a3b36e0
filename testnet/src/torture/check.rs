//! The check of a torture, when all is calm again: what the clients were told against what every
//! node says over its public API and what its receipts prove by the genesis alone.
//!
//! ```text
//!  histories ─▶ known ids ─▶ every node: which are final, with receipts ─▶ verify offline
//!                  receipts ─▶ model: owners, chains, sums ─▶ every node: the same?
//! ```
//! No state machine of the product takes part: the model is in `model`, the rest is reading.

pub mod model;

use super::history::Known;
use ledger::{Address, Network, Receipt, Transfer, TransferId, verify_many};
use model::{Live, Model};
use node::Failure;
use node::client::Client;
use node::view::NodeDocument;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Longest time for one question.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Problems that are told; more are counted.
const PROBLEMS_MAX: usize = 50;
/// Receipts asked for at a time.
const RECEIPTS_AT_ONCE: usize = 512;
/// Tokens whose whole history is compared, on every node.
const HISTORIES_MAX: usize = 60;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Final transfers, the same on every node.
    pub finals: usize,
    /// Transfers that were ever sent.
    pub known: usize,
    /// Of these, acknowledged as final.
    pub acknowledged: usize,
    /// Receipts verified offline.
    pub verified: usize,
    /// Token histories compared.
    pub histories: usize,
    /// Invariants that do not hold, at most 50.
    pub problems: Vec<String>,
    /// More problems than are told.
    pub more_problems: usize,
}

impl Findings {
    /// Adds what does not hold.
    pub fn add(&mut self, what: impl Into<String>) {
        match self.problems.len() < PROBLEMS_MAX {
            true => self.problems.push(what.into()),
            false => self.more_problems += 1,
        }
    }
}

/// Checks everything; the nodes at `urls` all run and nobody pays.
///
/// # Errors
/// A node does not answer.
pub async fn check(
    network: &Network,
    accounts: &[Address],
    urls: &[String],
    known: &BTreeMap<TransferId, Known>,
) -> Result<Findings, Failure> {
    let clients: Vec<Client> =
        urls.iter().map(|url| Client::new([url], ANSWER_TIME)).collect::<Result<_, _>>()?;
    let mut findings = Findings { known: known.len(), ..Findings::default() };
    let states = each(&clients, |client| client.node()).await?;
    compare_states(&states, &mut findings);
    let finals = read_finals(network, &clients, known, &mut findings).await?;
    findings.finals = finals.len();
    for state in states.iter().filter(|s| usize::try_from(s.applied) != Ok(finals.len())) {
        let (name, applied, ours) = (&state.name, state.applied, finals.len());
        findings.add(format!("{name} has applied {applied} transfers, and clients know {ours}"));
    }
    compare_told(known, &finals, &mut findings);
    let mut model = Model::new(network, &finals);
    compare_supply(&clients, &mut model, &mut findings).await?;
    std::mem::take(&mut model.problems).into_iter().for_each(|what| findings.add(what));
    compare_owners(&clients, accounts, &model, &mut findings).await?;
    compare_histories(&clients, &model, &mut findings).await?;
    look_for_evidence(&clients, network, &mut findings).await?;
    Ok(findings)
}

fn compare_states(states: &[NodeDocument], findings: &mut Findings) {
    for state in states {
        let name = &state.name;
        if state.mode != "voting" || state.failed.is_some() {
            findings.add(format!("{name} is {}: {:?}", state.mode, state.failed));
        }
        if (state.applied, &state.digest) != (states[0].applied, &states[0].digest) {
            let (first, applied) = (&states[0], state.applied);
            let other = format!("{} has applied {}", first.name, first.applied);
            findings.add(format!("{other}, {name} {applied}, or not the same"));
        }
    }
}

/// Asks every node for the receipts of all that was ever sent. All of one node's are verified, by
/// turns; the others' have to be of the same transfers.
async fn read_finals(
    network: &Network,
    clients: &[Client],
    known: &BTreeMap<TransferId, Known>,
    findings: &mut Findings,
) -> Result<BTreeMap<TransferId, Transfer>, Failure> {
    let mut finals: BTreeMap<TransferId, Transfer> = BTreeMap::new();
    let ids: Vec<TransferId> = known.keys().copied().collect();
    for (turn, ids) in ids.chunks(RECEIPTS_AT_ONCE).enumerate() {
        let answers = each(clients, |client| receipts(client, ids)).await?;
        let names = |receipts: &[Receipt]| -> BTreeSet<TransferId> {
            receipts.iter().map(|receipt| receipt.entry.signed.transfer.id()).collect()
        };
        let chosen = turn % clients.len();
        let wanted = names(&answers[chosen]);
        for (node, answer) in answers.iter().enumerate() {
            for id in names(answer).symmetric_difference(&wanted) {
                findings.add(format!("{id} is final on one of v{node} and v{chosen} only"));
            }
        }
        let answer = answers.into_iter().nth(chosen).expect("one for each client");
        for verified in verify_many(answer, network, &mut rand::rng()) {
            match verified {
                Ok(verified) => {
                    findings.verified += 1;
                    finals.insert(verified.id(), verified.transfer().transfer().clone());
                }
                Err(error) => findings.add(format!("a receipt of v{chosen}: {error}")),
            }
        }
    }
    Ok(finals)
}

/// All receipts that a node has of these, though an answer holds 4 MiB only.
async fn receipts(client: &Client, ids: &[TransferId]) -> Result<Vec<Receipt>, Failure> {
    let mut all: Vec<Receipt> = Vec::new();
    let mut from = 0;
    while from < ids.len() {
        let found = client.fetch_receipts(&ids[from..]).await?;
        let Some(last) = found.last() else { break };
        let last = last.entry.signed.transfer.id();
        // In the order of the ids: what comes behind the last one may have been cut off.
        let at = ids[from..].iter().position(|id| *id == last);
        from += at.map_or(ids.len(), |at| at + 1);
        all.extend(found);
    }
    Ok(all)
}

/// What clients were told is so for ever.
fn compare_told(
    known: &BTreeMap<TransferId, Known>,
    finals: &BTreeMap<TransferId, Transfer>,
    findings: &mut Findings,
) {
    for (id, told) in known {
        let is_final = finals.contains_key(id);
        findings.acknowledged += usize::from(told.is_final);
        if told.is_final && !is_final {
            findings.add(format!("{id} was acknowledged as final and is not"));
        }
        if told.is_rejected && is_final {
            findings.add(format!("{id} was rejected and is final"));
        }
        if told.is_rejected && !told.is_rival {
            findings.add(format!("{id} of an honest owner was rejected"));
        }
        if !told.is_rival && !is_final {
            findings.add(format!("{id} of an honest owner did not become final"));
        }
    }
}

async fn compare_supply(
    clients: &[Client],
    model: &mut Model,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let expected = model.supply();
    for (node, supply) in each(clients, |client| client.supply()).await?.iter().enumerate() {
        for row in &supply.supply {
            let wanted = expected.get(&row.asset_id).copied().unwrap_or_default();
            let units = |text: &str| ledger::parse_amount(text, row.decimals).ok();
            let (issued, live) = (units(&row.issued), units(&row.live));
            if issued != Some(wanted) || live != Some(wanted) {
                let found = format!("{} issued, {} live", row.issued, row.live);
                findings.add(format!("v{node} says of {}: {found}, not {wanted}", row.name));
            }
        }
        if supply.supply.len() != expected.len() {
            findings.add(format!("v{node} knows {} assets", supply.supply.len()));
        }
    }
    Ok(())
}

/// Balances and tokens of all accounts, on all nodes. Nobody else can own anything.
async fn compare_owners(
    clients: &[Client],
    accounts: &[Address],
    model: &Model,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let owners = model.owners();
    for stranger in owners.keys().filter(|owner| !accounts.contains(owner)) {
        findings.add(format!("{stranger} owns something and is no account"));
    }
    for account in accounts {
        let expected = owners.get(account).cloned().unwrap_or_default();
        let sum: u64 = expected.iter().map(|live| live.amount).sum();
        let found = each(clients, |client| client.tokens(*account)).await?;
        let balances = each(clients, |client| client.account(*account)).await?;
        for (node, (tokens, balance)) in found.iter().zip(&balances).enumerate() {
            let live = |row: &node::view::TokenRow| {
                let input = row.input();
                Live { state: input.state, asset: input.asset, amount: input.amount }
            };
            let tokens: BTreeSet<Live> = tokens.tokens.iter().map(live).collect();
            if tokens != expected {
                let count = tokens.symmetric_difference(&expected).count();
                findings.add(format!("v{node} and the receipts differ in {count} of {account}"));
            }
            let units = |row: &node::view::BalanceRow| {
                ledger::parse_amount(&row.amount, row.decimals).unwrap_or_default()
            };
            let told: u64 = balance.balances.iter().map(units).sum();
            if told != sum {
                findings.add(format!("v{node} says {told} units of {account}, not {sum}"));
            }
        }
    }
    Ok(())
}

async fn compare_histories(
    clients: &[Client],
    model: &Model,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let step = model.chain_count().div_ceil(HISTORIES_MAX);
    for (token, chain, ended_by) in model.chains(step) {
        let histories = each(clients, |client| client.history(token)).await?;
        findings.histories += 1;
        for (node, history) in histories.iter().enumerate() {
            let found: Vec<TransferId> = history.history.iter().map(|row| row.made_by).collect();
            if found != chain || history.ended_by != ended_by {
                findings.add(format!("v{node} tells another history of {token}"));
            }
        }
    }
    Ok(())
}

/// Owners may be caught, validators never.
async fn look_for_evidence(
    clients: &[Client],
    network: &Network,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let members: BTreeSet<String> =
        network.committee.members().iter().map(|member| member.name.to_string()).collect();
    for (node, client) in clients.iter().enumerate() {
        let mut after = None;
        loop {
            let page = client.evidence(after).await?;
            for row in page.evidence.iter().filter(|row| members.contains(&row.by)) {
                findings.add(format!("v{node} has evidence against {}: {:?}", row.by, row.about));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// Asks one node after the other.
async fn each<'a, T, F: Future<Output = Result<T, Failure>>>(
    clients: &'a [Client],
    ask: impl Fn(&'a Client) -> F,
) -> Result<Vec<T>, Failure> {
    let mut answers = Vec::with_capacity(clients.len());
    for client in clients {
        answers.push(ask(client).await?);
    }
    Ok(answers)
}
