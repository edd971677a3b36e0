//! `watch`: a node's events as they happen, a line each.

use super::answer::{Answer, line};
use super::args::WatchArgs;
use super::context::Context;
use super::shown::printable;
use crate::client::{NodeEvent, NodeEvents};
use crate::error::{Failure, UNREACHABLE};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Pause before a broken stream is opened again.
const AGAIN: Duration = Duration::from_millis(500);

/// `watch`: until `--count` events have come, or Ctrl-C. A stream that breaks is taken up where it
/// was, for as long as `--timeout` says.
pub async fn watch(context: &Context, args: &WatchArgs) -> Result<Answer, Failure> {
    let client = context.client()?;
    let mut stream = client.events(args.after).await?;
    context.note("watching; Ctrl-C ends it");
    let (mut last, mut shown) = (args.after, 0);
    while args.count.is_none_or(|count| shown < count) {
        let event = tokio::select! {
            event = stream.next() => event,
            _ = tokio::signal::ctrl_c() => break,
        };
        let event = match event {
            Ok(event) => event,
            Err(failure) => {
                context.note(&failure.message);
                stream = again(context, last).await?;
                continue;
            }
        };
        last = event.number.or(last);
        if args.kind.is_empty() || args.kind.contains(&event.kind) || event.kind == "gap" {
            shown += 1;
            match context.settings.is_json {
                true => line(&document(&event).to_string()),
                false => line(&printable(&for_people(&event))),
            }
        }
    }
    Ok(Answer::of_stream())
}

async fn again(context: &Context, last: Option<u64>) -> Result<NodeEvents, Failure> {
    let until = Instant::now() + context.settings.timeout;
    loop {
        tokio::time::sleep(AGAIN).await;
        match context.client()?.events(last).await {
            Ok(stream) => return Ok(stream),
            Err(failure) if failure.code == UNREACHABLE && Instant::now() < until => {}
            Err(failure) => return Err(failure),
        }
    }
}

fn document(event: &NodeEvent) -> Value {
    json!({
        "schema": "quorate.event/1", "ok": true,
        "number": event.number, "kind": event.kind, "data": event.data,
    })
}

/// `batch  1a2b…  transfers 3  applied 17`.
fn for_people(event: &NodeEvent) -> String {
    let mut text = format!("{:<9}", event.kind);
    let Some(fields) = event.data.as_object() else { return text };
    for (name, value) in fields {
        let value = value.as_str().map_or_else(|| value.to_string(), String::from);
        text.push_str(&format!("  {name} {value}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_for_people_and_one_document_for_programs() {
        let data = json!({"transfers": 3, "batch": "1a"});
        let event = NodeEvent { number: Some(4), kind: "batch".into(), data };
        assert_eq!(for_people(&event), "batch      batch 1a  transfers 3");
        assert_eq!(document(&event)["number"], 4);
        assert_eq!(document(&event)["data"]["transfers"], 3);
    }
}
