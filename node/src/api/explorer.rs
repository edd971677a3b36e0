//! `GET /`: the explorer, one page for people. Made on the node, without a script; everything that
//! could hold a foreign text is escaped, and the browser is told to load nothing but the style
//! sheet.

use super::answer::bytes;
use super::{Answered, Api};
use crate::html::escape;
use crate::store::StoreError;
use crate::view::{BatchesDocument, NodeDocument, SupplyDocument, ValidatorsDocument};
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use std::fmt::Write;

const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// Batches on the page.
const BATCHES_SHOWN: usize = 20;
/// Assets on the page.
const ASSETS_SHOWN: usize = 50;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1b1f24;background:#fff}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d0d7de;overflow-wrap:anywhere}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
code{font:13px ui-monospace,monospace}.down{color:#a40e26;font-weight:600}.up{color:#116329}\
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}\
th,td{border-color:#30363d}.down{color:#ff7b72}.up{color:#56d364}a{color:#79c0ff}}";

/// The style sheet.
pub(super) async fn style() -> Answered {
    Ok(bytes(StatusCode::OK, "text/css; charset=utf-8", STYLE))
}

/// The page.
pub(super) async fn page(State(api): State<Api>) -> Answered {
    let read = |handle: &crate::Handle| {
        let shared = &handle.shared;
        let first = u64::try_from(BATCHES_SHOWN).expect("small");
        let from = shared.store.line_count().checked_sub(first + 1);
        let batches = BatchesDocument::of(shared, from, BATCHES_SHOWN)?;
        let name = shared.network.name.to_string();
        let node = NodeDocument::of(shared);
        let validators = ValidatorsDocument::of(shared);
        let supply = SupplyDocument::of(shared, None, ASSETS_SHOWN);
        Ok::<_, StoreError>(html(&name, &node, &validators, &supply, &batches))
    };
    let text = api.blocking(read).await??;
    let mut response = bytes(StatusCode::OK, "text/html; charset=utf-8", text);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

fn html(
    network: &str,
    node: &NodeDocument,
    validators: &ValidatorsDocument,
    supply: &SupplyDocument,
    batches: &BatchesDocument,
) -> String {
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"refresh\" content=\"5\">\
         <link rel=\"stylesheet\" href=\"/explorer.css\">",
    );
    let state = if node.ready { "ready" } else { "not ready" };
    let class = if node.ready { "up" } else { "down" };
    push(
        &mut out,
        format_args!(
            "<title>{name} · {network}</title></head><body><h1>Quorate: {name} of {network}</h1>\
             <p><span class=\"{class}\">{state}</span>, {mode}; {applied} transfers applied in \
             {batches} batches; weight {reachable} reachable, quorum {quorum}; \
             version {version}.</p>\
             <p>Network <code>{id}</code></p>",
            name = escape(&node.name),
            network = escape(network),
            mode = escape(&node.mode),
            applied = node.applied,
            batches = node.batches,
            reachable = node.reachable,
            quorum = node.quorum,
            version = escape(&node.version),
            id = node.network,
        ),
    );
    if let Some(failed) = &node.failed {
        push(&mut out, format_args!("<p class=\"down\">{}</p>", escape(failed)));
    }
    push_validators(&mut out, validators);
    push_supply(&mut out, supply);
    push_batches(&mut out, batches);
    out.push_str(
        "<p><a href=\"/openapi.json\">API</a> · <a href=\"/metrics\">metrics</a> · \
         <a href=\"/v1/evidence\">evidence</a> · <a href=\"/v1/network\">network</a></p>\
         </body></html>",
    );
    out
}

fn push_validators(out: &mut String, validators: &ValidatorsDocument) {
    out.push_str(
        "<h2>Validators</h2><table><tr><th>Name<th>Link<th class=\"n\">Weight\
         <th class=\"n\">Applied<th class=\"n\">Round trip, µs<th class=\"n\">Faults</tr>",
    );
    for row in &validators.validators {
        let link = match (&row.error, row.up) {
            (_, true) => "<span class=\"up\">up</span>".into(),
            (None, false) => "<span class=\"down\">down</span>".into(),
            (Some(error), false) => format!("<span class=\"down\">{}</span>", escape(error)),
        };
        push(
            out,
            format_args!(
                "<tr><td>{}<td>{link}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
                 <td class=\"n\">{}</tr>",
                escape(row.name.as_str()),
                row.weight,
                row.applied,
                row.rtt_us,
                row.blamed,
            ),
        );
    }
    out.push_str("</table>");
}

fn push_supply(out: &mut String, supply: &SupplyDocument) {
    out.push_str(
        "<h2>Supply</h2><table><tr><th>Asset<th>Name<th class=\"n\">Issued\
         <th class=\"n\">Live</tr>",
    );
    for row in &supply.supply {
        let cells = [&row.asset, &row.name, &row.issued, &row.live].map(|text| escape(text));
        let [asset, name, issued, live] = cells;
        push(
            out,
            format_args!(
                "<tr><td><code>{asset}</code><td>{name}<td class=\"n\">{issued}\
                 <td class=\"n\">{live}</tr>"
            ),
        );
    }
    out.push_str("</table>");
}

fn push_batches(out: &mut String, batches: &BatchesDocument) {
    out.push_str(
        "<h2>Latest batches</h2><table><tr><th class=\"n\">Position<th>Batch\
         <th class=\"n\">Applied</tr>",
    );
    for row in batches.batches.iter().rev() {
        push(
            out,
            format_args!(
                "<tr><td class=\"n\">{position}\
                 <td><a href=\"/v1/batches/{id}\"><code>{id}</code></a>\
                 <td class=\"n\">{applied}</tr>",
                position = row.position,
                id = row.id,
                applied = row.applied,
            ),
        );
    }
    out.push_str("</table>");
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string cannot fail");
}
