//! `status`, `health`, `peers`: the validators of a network.

use super::answer::Answer;
use super::context::{Context, NodeAddress};
use super::progress;
use super::shown::shown;
use super::table::Table;
use crate::client::Client;
use crate::error::{Failure, NO_QUORUM, UNREACHABLE};
use crate::view::{CatchingUp, NodeDocument, SupplyDocument};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::time::Duration;
use tokio::task::JoinSet;

/// A node that takes longer is shown as down.
pub const ASK_TIME_MAX: Duration = Duration::from_secs(2);

/// The nodes that are looked at as a network: all of a testnet's, else those that are named.
///
/// # Errors
/// As [`Context::nodes`].
pub fn network_nodes(context: &Context) -> Result<Vec<NodeAddress>, Failure> {
    let nodes = context.nodes()?;
    // `--node` only chooses the node of other commands; the network is all of them.
    let of = |validator: &crate::wallet::TestnetValidator| NodeAddress {
        name: Some(validator.name.clone()),
        url: validator.api.clone(),
    };
    let of_testnet = context.testnet().map(|file| file.validators.iter().map(of).collect());
    Ok(of_testnet.unwrap_or(nodes))
}

/// `status`: every node is asked, at the same time.
pub async fn status(context: &Context) -> Result<Answer, Failure> {
    let nodes = network_nodes(context)?;
    let found = ask_all(context, &nodes).await?;
    let highest = found.iter().flatten().map(|(node, _)| node.applied).max();
    let Some(highest) = highest else {
        let what = "no validator answers; nothing was changed";
        return Err(Failure::new(UNREACHABLE, what).help("quorate-testnet status"));
    };
    let first = found.iter().flatten().max_by_key(|(node, _)| node.applied);
    let (network, supply) = first
        .map(|(node, supply)| (json!(node.network), supply.supply.clone()))
        .unwrap_or((Value::Null, Vec::new()));
    let mut table = Table::new(&["validator", "up", "ready", "applied", "lag", "version"]);
    let mut rows = Vec::new();
    let mut silent = String::new();
    for (address, node) in nodes.iter().zip(&found) {
        let node = node.as_ref().map(|(node, _)| node);
        let name = node.map(|node| node.name.clone()).or(address.name.clone());
        let name = name.unwrap_or_else(|| address.url.clone());
        let lag = node.map(|node| highest.saturating_sub(node.applied));
        rows.push(json!({
            "name": name, "up": node.is_some(), "ready": node.is_some_and(|node| node.ready),
            "applied": node.map(|node| node.applied), "lag": lag,
            "version": node.map(|node| &node.version), "url": address.url,
            "mode": node.map(|node| &node.mode),
            "catching_up": node.and_then(|node| node.catching_up),
            "failed": node.and_then(|n| n.failed.as_ref()),
        }));
        if let Some(why) = node.and_then(|node| node.failed.as_ref()) {
            silent.push_str(&format!("{} does not vote: {}\n", shown(&name), shown(why)));
        }
        if let Some(behind) = node.and_then(|node| node.catching_up) {
            silent.push_str(&behind_line(&shown(&name), &behind));
        }
        let yes = |is: bool| if is { "yes" } else { "no" }.to_string();
        let number = |number: Option<u64>| number.map_or("-".into(), |number| number.to_string());
        table.row([
            shown(&name),
            yes(node.is_some()),
            yes(node.is_some_and(|node| node.ready)),
            number(node.map(|node| node.applied)),
            number(lag),
            node.map_or("-".into(), |node| shown(&node.version)),
        ]);
    }
    let mut sums = Table::new(&["asset", "issued", "live", "name"]);
    for row in &supply {
        let cells = [&row.asset, &row.issued, &row.live, &row.name];
        sums.row(cells.map(|cell| shown(cell)));
    }
    let document = json!({
        "schema": "quorate.status/1", "ok": true, "network": network,
        "validators": rows, "supply": supply,
    });
    Ok(Answer::new(document, format!("{}{silent}\n{}", table.render(), sums.render())))
}

/// How far a node that is behind has come; with a bar for people who watch a terminal.
fn behind_line(name: &str, behind: &CatchingUp) -> String {
    let CatchingUp { applied, target, rate_per_s, eta_s, .. } = *behind;
    let bar = match std::io::stdout().is_terminal() {
        true => progress::bar(applied, target) + "  ",
        false => String::new(),
    };
    let left = eta_s.map_or("standing still".into(), |eta_s| format!("{eta_s} s left"));
    format!("{name} catches up: {bar}{applied} of {target}, {rate_per_s}/s, {left}\n")
}

/// Asks all at the same time: `found[i]` is for `nodes[i]`; `None` for one that does not answer.
pub async fn ask_all(
    context: &Context,
    nodes: &[NodeAddress],
) -> Result<Vec<Option<(NodeDocument, SupplyDocument)>>, Failure> {
    let timeout = context.settings.timeout.min(ASK_TIME_MAX);
    let mut tasks = JoinSet::new();
    for (index, node) in nodes.iter().enumerate() {
        let client = Client::new([&node.url], timeout)?;
        tasks.spawn(async move {
            let node = client.node().await.ok();
            let supply = match &node {
                Some(_) => client.supply().await.ok(),
                None => None,
            };
            (index, node.zip(supply))
        });
    }
    let mut found = vec![None; nodes.len()];
    while let Some(answer) = tasks.join_next().await {
        if let Ok((index, answer)) = answer {
            found[index] = answer;
        }
    }
    Ok(found)
}

/// `health`: exit 0 when the asked node is ready, 8 when it is not, 4 when none answers.
pub async fn health(context: &Context) -> Result<Answer, Failure> {
    let client = context.client()?;
    let found = client.health().await?;
    let document = serde_json::to_value(&found).unwrap_or_default();
    let (name, mode) = (&found.name, &found.mode);
    let (reachable, quorum) = (found.reachable, found.quorum);
    let text = format!("{mode}; validators of weight {reachable} reachable, {quorum} needed");
    if found.ready {
        return Ok(Answer::new(document, format!("{name} is ready: {text}\n")));
    }
    let why = found.failed.as_ref().map_or(String::new(), |why| format!("; {why}"));
    let down = found.down.join(", ");
    let what = format!("{name} is not ready: {text}{why}; nothing was sent");
    let help = match found.down.is_empty() {
        true => "quorate status".into(),
        false => format!("start the validators that are down: {down}"),
    };
    Err(Failure::new(NO_QUORUM, what).help(help).details(document))
}

/// `peers`: the committee as the asked node sees it.
pub async fn peers(context: &Context) -> Result<Answer, Failure> {
    let found = context.client()?.validators().await?;
    let header = ["validator", "up", "address", "rtt µs", "sent", "received", "dropped", "applied"];
    let mut table = Table::new(&header);
    for row in &found.validators {
        let up = match (row.is_self, row.up) {
            (true, _) => "self",
            (false, true) => "yes",
            (false, false) => "no",
        };
        table.row([
            row.name.to_string(),
            up.into(),
            row.address.map_or("-".into(), |address| address.to_string()),
            row.rtt_us.to_string(),
            row.bytes_sent.to_string(),
            row.bytes_received.to_string(),
            row.dropped.to_string(),
            row.applied.to_string(),
        ]);
    }
    let text = format!("seen by {}\n{}", found.seen_by, table.render());
    Ok(Answer::new(serde_json::to_value(&found).unwrap_or_default(), text))
}
