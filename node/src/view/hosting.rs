//! Documents of a wallet node: a validator's where there are such, filled in from what was
//! received. A wallet knows no locks: `locked` is 0 and `locked_by` null. Of issued assets it knows
//! no definition: their amounts are in base units.

use super::{
    BalanceDocument, BalanceRow, EvidenceDocument, EvidenceRow, HealthDocument, TokenDocument,
    TokenRow, TokensDocument, Unit, count,
};
use crate::hosting::Hosting;
use crate::receive::Outcome;
use crate::receive::book::Held;
use ledger::{Address, AssetId, TokenId, TokenState, cid_text};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn unit(hosting: &Hosting, asset: &AssetId) -> Unit {
    match hosting.network.assets.get(asset) {
        Some(known) => {
            Unit { label: known.name.clone(), name: known.name.clone(), decimals: known.decimals() }
        }
        None => Unit { label: asset.to_string(), name: String::new(), decimals: 0 },
    }
}

fn row(hosting: &Hosting, held: &Held) -> TokenRow {
    let unit = unit(hosting, &held.asset);
    let TokenState { token, height, made_by } = held.state;
    TokenRow {
        id: token,
        amount: unit.amount(held.amount),
        asset: unit.label,
        height,
        state_cid: cid_text(&held.state.cid()),
        locked_by: None,
        made_by,
        asset_id: held.asset,
        units: held.amount,
    }
}

/// `quorate.balance/1` of a hosted address.
pub fn balance(hosting: &Hosting, address: Address) -> BalanceDocument {
    let sums = hosting.receiver.book().balances(&address);
    let row = |(asset_id, (units, tokens)): (&AssetId, &(u64, u64))| {
        let unit = unit(hosting, asset_id);
        BalanceRow {
            amount: unit.amount(*units),
            tokens: *tokens,
            locked: unit.amount(0),
            asset_id: *asset_id,
            asset: unit.label,
            name: unit.name,
            decimals: unit.decimals,
        }
    };
    let balances = sums.iter().map(row).collect();
    BalanceDocument { schema: "quorate.balance/1".into(), ok: true, address, balances }
}

/// `quorate.tokens/1`: at most `limit` tokens of a hosted address with ids above `after`.
pub fn tokens(
    hosting: &Hosting,
    address: Address,
    after: Option<TokenId>,
    limit: usize,
) -> TokensDocument {
    let mut held = hosting.receiver.book().tokens(&address, after, limit + 1);
    let is_more = held.len() > limit;
    held.truncate(limit);
    let next = held.last().filter(|_| is_more).map(|held| held.state.token);
    let tokens = held.iter().map(|held| row(hosting, held)).collect();
    TokensDocument { schema: "quorate.tokens/1".into(), ok: true, address, tokens, next }
}

/// `quorate.token/1`: where a token that was received stands, as far as it is known here.
pub fn token(hosting: &Hosting, id: TokenId) -> Option<TokenDocument> {
    let chain = hosting.receiver.heads().chain(&id)?;
    let (state, link) = chain.head(id);
    let held = Held { state, asset: chain.asset, amount: chain.amount };
    let (token, owner, ended_by) = (row(hosting, &held), link.owner, link.spent_by);
    Some(TokenDocument { schema: "quorate.token/1".into(), ok: true, token, owner, ended_by })
}

/// `quorate.evidence/1`: forks of kind `fork`, with both transfers' ids.
pub fn evidence(
    hosting: &Hosting,
    after: Option<u64>,
    limit: usize,
    bytes_max: usize,
) -> EvidenceDocument {
    let from = after.map_or(0, |after| after.saturating_add(1));
    let all = hosting.receiver.forks();
    let mut bytes = 0;
    let mut rows: Vec<EvidenceRow> = Vec::new();
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    for (position, fork) in (from..=u64::MAX).zip(all.iter().skip(skip)).take(limit) {
        let row = EvidenceRow::of_fork(position, fork);
        bytes += row.hex.len();
        if bytes > bytes_max && !rows.is_empty() {
            break;
        }
        rows.push(row);
    }
    let count = count(all.len());
    let next = rows.last().map(|row| row.position).filter(|last| last + 1 < count);
    EvidenceDocument { schema: "quorate.evidence/1".into(), ok: true, count, evidence: rows, next }
}

/// `quorate.health/1`: `reachable` and `quorum` count validators that answer, and those needed.
pub fn health(hosting: &Hosting) -> HealthDocument {
    let ready = hosting.is_ready();
    let down = hosting.sources.iter().filter(|source| !source.is_up());
    let down: Vec<String> = down.map(|source| source.url.clone()).collect();
    HealthDocument {
        schema: "quorate.health/1".into(),
        ok: ready,
        name: hosting.config.name.clone(),
        ready,
        mode: "wallet".into(),
        reachable: count(hosting.sources.len() - down.len()),
        quorum: count(hosting.lists_needed()),
        down,
        failed: hosting.lacking(),
    }
}

/// `quorate.node/1` of a wallet node: without what only a validator has, with its counters.
pub fn node(hosting: &Hosting) -> Value {
    let receiver = &hosting.receiver;
    let counts = &receiver.counts;
    json!({
        "schema": "quorate.node/1",
        "ok": true,
        "name": hosting.config.name,
        "role": "wallet",
        "mode": "wallet",
        "network": hosting.network.id,
        "version": env!("CARGO_PKG_VERSION"),
        "ready": hosting.is_ready(),
        "uptime_s": hosting.started.elapsed().as_secs(),
        "api": format!("http://{}", hosting.api_address),
        "failed": hosting.lacking(),
        "addresses": hosting.addresses(),
        "tokens": receiver.book().live_count(),
        "receipts": receiver.book().receipt_count(),
        "received": counts.received.load(Ordering::Relaxed),
        "duplicates": counts.duplicates.load(Ordering::Relaxed),
        "gaps": counts.gaps.load(Ordering::Relaxed),
        "refused": counts.refused.load(Ordering::Relaxed),
        "forks": receiver.forks().len(),
        "certificates_checked": receiver.certificates_checked(),
        "drains": hosting.drains.load(Ordering::SeqCst),
    })
}

/// The figures of [`node`], OpenMetrics text.
pub fn metrics(hosting: &Hosting) -> String {
    let receiver = &hosting.receiver;
    let counts = &receiver.counts;
    let mut text = String::new();
    let mut add = |name: &str, kind: &str, help: &str, value: u64| {
        let suffix = if kind == "counter" { "_total" } else { "" };
        text += &format!(
            "# HELP quorate_{name} {help}.\n# TYPE quorate_{name} {kind}\n\
             quorate_{name}{suffix} {value}\n"
        );
    };
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    add("received", "counter", "Receipts received", load(&counts.received));
    add("duplicates", "counter", "Receipts that came again or late", load(&counts.duplicates));
    add("gaps", "counter", "Receipts that waited for others", load(&counts.gaps));
    add("refused", "counter", "Receipts that proved nothing", load(&counts.refused));
    add("drains", "counter", "Drains that ended", load(&hosting.drains));
    add("forks", "gauge", "Forks kept as evidence", count(receiver.forks().len()));
    add("tokens", "gauge", "Live tokens of hosted addresses", count(receiver.book().live_count()));
    add("ready", "gauge", "1 once drained", u64::from(hosting.is_ready()));
    text + "# EOF\n"
}

/// What became of a receipt, in one word.
pub fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::New => "new",
        Outcome::Duplicate => "duplicate",
        Outcome::Old => "old",
        Outcome::Foreign => "foreign",
        Outcome::Gap(_) => "gap",
        Outcome::Fork => "fork",
        Outcome::Refused(_) => "refused",
        Outcome::Full => "full",
    }
}
