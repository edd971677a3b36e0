//! The validators as `top` shows them: what each says of itself, joined with what one node sees of
//! all. Text of a node is not trusted: only what `shown` leaves of it gets here.

use super::look::Look;
use super::state::Weights;
use crate::cli::shown::shown;
use crate::view::{NodeDocument, ValidatorRow};

/// One validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its name.
    pub(super) name: String,
    /// How it is, in a word or two.
    pub(super) state: String,
    /// How good that is.
    pub(super) health: Health,
    /// Whether it votes; `None` when that is not known.
    pub(super) votes: Option<bool>,
    /// Distinct final transfers that it has applied.
    pub(super) applied: Option<u64>,
    /// So many fewer than the foremost.
    pub(super) behind: Option<u64>,
    /// Round trip from who sees the links, µs.
    pub(super) rtt_us: Option<u64>,
    /// Token states with a lock or a promise.
    pub(super) locks: Option<u64>,
    /// Since its start, s.
    pub(super) uptime_s: Option<u64>,
    /// Of the program.
    pub(super) version: Option<String>,
}

/// How good a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// As it should be.
    Good,
    /// It will be, or it is not known.
    Middling,
    /// Somebody has to act.
    Bad,
}

/// All rows and what they say together.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// The rows.
    pub(super) rows: Vec<Row>,
    /// What an operator has to know of single ones.
    pub(super) notes: Vec<String>,
    /// How much they weigh.
    pub(super) weights: Weights,
    /// Name and id of the network.
    pub(super) network: String,
}

impl Rows {
    /// The committee's members in its order, then nodes that were asked and are none of them.
    pub(super) fn of(look: &Look) -> Self {
        let answered: Vec<&NodeDocument> =
            look.nodes.iter().filter_map(|asked| asked.node.as_ref()).collect();
        let mut rows = Self { network: network(look), ..Self::default() };
        let highest = answered.iter().map(|node| node.applied).max();
        let of_network = answered.first().map(|node| node.network);
        let seen = look.seen.iter().flat_map(|seen| &seen.validators);
        let mut is_shown = vec![false; look.nodes.len()];
        for member in seen {
            let name = member.name.as_str();
            let is_it = |asked: &super::look::Asked| match &asked.node {
                Some(node) => node.name == name && Some(node.network) == of_network,
                None => asked.address.name.as_deref() == Some(name),
            };
            let index = look.nodes.iter().position(is_it);
            let node = index.and_then(|index| look.nodes[index].node.as_ref());
            index.into_iter().for_each(|index| is_shown[index] = true);
            let row = of_member(member, node, highest, index.is_some());
            if row.votes != Some(false) && (node.is_some() || member.up) {
                rows.weights.voting = rows.weights.voting.saturating_add(member.weight);
            }
            rows.weights.all = rows.weights.all.saturating_add(member.weight);
            rows.push(row, node);
        }
        for (asked, _) in look.nodes.iter().zip(&is_shown).filter(|(_, is_shown)| !**is_shown) {
            let name = asked.address.name.as_ref().unwrap_or(&asked.address.url);
            let row = match &asked.node {
                Some(node) => of_stranger(node, Some(node.network) == of_network, highest),
                None => unanswered(shown(name), "no answer"),
            };
            rows.push(row, asked.node.as_ref());
        }
        let quorum = look.network.as_ref().map(|network| network.quorum);
        rows.weights.quorum =
            quorum.or(answered.first().map(|node| node.quorum)).unwrap_or_default();
        if let (None, Some(node)) = (&look.seen, answered.first()) {
            rows.weights.voting = node.reachable;
            rows.weights.all = look.network.as_ref().map_or(node.reachable, |n| n.weight);
        }
        rows.weights.ready = answered.iter().filter(|node| node.ready).count();
        rows.weights.asked = look.nodes.len();
        rows
    }

    fn push(&mut self, row: Row, node: Option<&NodeDocument>) {
        if let Some(why) = node.and_then(|node| node.failed.as_ref()) {
            self.notes.push(format!("{} does not vote: {}", row.name, shown(why)));
        }
        if let Some(behind) = node.and_then(|node| node.catching_up) {
            let left = match behind.eta_s {
                Some(eta_s) => format!("{eta_s} s left"),
                None => "standing still".into(),
            };
            let (applied, target, rate) = (behind.applied, behind.target, behind.rate_per_s);
            let name = &row.name;
            let note = format!("{name} catches up: {applied} of {target}, {rate}/s, {left}");
            self.notes.push(note);
        }
        self.rows.push(row);
    }
}

/// A member, with what it says of itself where it was asked and answers.
fn of_member(
    member: &ValidatorRow,
    node: Option<&NodeDocument>,
    highest: Option<u64>,
    is_asked: bool,
) -> Row {
    let name = member.name.to_string();
    let rtt_us = Some(member.rtt_us).filter(|rtt_us| *rtt_us > 0 && !member.is_self);
    match node {
        Some(node) => Row { rtt_us, name, ..of_node(node, highest) },
        None => {
            let state = match (member.up, is_asked) {
                (true, true) => "no answer",
                (true, false) => "up",
                (false, _) => "down",
            };
            let row = unanswered(name, state);
            let health = match (member.up, is_asked) {
                (true, false) => Health::Good,
                (true, true) => Health::Middling,
                (false, _) => Health::Bad,
            };
            let votes = if member.up { None } else { Some(false) };
            let applied = Some(member.applied);
            let behind = highest.map(|highest| highest.saturating_sub(member.applied));
            Row { health, votes, applied, behind, rtt_us, ..row }
        }
    }
}

fn of_node(node: &NodeDocument, highest: Option<u64>) -> Row {
    let (state, health) = match node.mode.as_str() {
        "voting" if node.ready => ("ready", Health::Good),
        "voting" => ("no quorum", Health::Bad),
        "catching_up" => ("catching up", Health::Middling),
        "silent" => ("silent", Health::Bad),
        other => (other, Health::Middling),
    };
    Row {
        name: shown(&node.name),
        state: shown(state),
        health,
        votes: Some(node.mode == "voting"),
        applied: Some(node.applied),
        behind: highest.map(|highest| highest.saturating_sub(node.applied)),
        rtt_us: None,
        locks: Some(node.locks),
        uptime_s: Some(node.uptime_s),
        version: Some(shown(&node.version)),
    }
}

/// A node that the committee, as it is seen, does not have.
fn of_stranger(node: &NodeDocument, is_of_network: bool, highest: Option<u64>) -> Row {
    let row = of_node(node, highest);
    if is_of_network {
        return row;
    }
    Row { state: "other network".into(), health: Health::Bad, votes: None, behind: None, ..row }
}

fn unanswered(name: String, state: &str) -> Row {
    Row {
        name,
        state: state.into(),
        health: Health::Bad,
        votes: None,
        applied: None,
        behind: None,
        rtt_us: None,
        locks: None,
        uptime_s: None,
        version: None,
    }
}

/// `seven 4be1f4a1…`.
fn network(look: &Look) -> String {
    let id = look.nodes.iter().find_map(|asked| asked.node.as_ref()).map(|node| node.network);
    let id = id.or(look.network.as_ref().map(|network| network.network));
    let Some(id) = id else { return String::new() };
    let short: String = id.to_string().chars().take(8).collect();
    let name = look.network.as_ref().map(|network| network.name.to_string() + " ");
    format!("{}{short}…", name.unwrap_or_default())
}
