//! `watch`: a node's events as they happen, a line each. `top`: the network, again every second.

use super::answer::{Answer, line};
use super::args::{TopArgs, WatchArgs};
use super::context::Context;
use super::network;
use crate::client::{NodeEvent, NodeEvents};
use crate::error::{Failure, UNREACHABLE, USAGE};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Pause before a broken stream is opened again.
const AGAIN: Duration = Duration::from_millis(500);
/// The terminal's other screen, without a cursor; and back.
const SCREEN: [&str; 2] = ["\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"];

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
                false => line(&for_people(&event)),
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

/// `top`: until Ctrl-C; without a terminal one look.
pub async fn top(context: &Context, args: &TopArgs) -> Result<Answer, Failure> {
    if context.settings.is_json {
        let what = "top is for people at a terminal; nothing was asked";
        return Err(Failure::new(USAGE, what).help("quorate status --json"));
    }
    if !std::io::stdout().is_terminal() {
        return network::status(context).await;
    }
    print!("{}", SCREEN[0]);
    let shown = frames(context, args.every).await;
    print!("{}", SCREEN[1]);
    shown.map(|()| Answer::of_stream())
}

async fn frames(context: &Context, every: Duration) -> Result<(), Failure> {
    let mut before: Option<(Instant, u64)> = None;
    loop {
        let look = Instant::now();
        let text = match network::status(context).await {
            Ok(status) => {
                let applied = highest(&status.document);
                let rate = before
                    .map_or(0, |(then, count)| per_second(then, applied - count.min(applied)));
                before = Some((look, applied));
                format!("{applied} final, {rate}/s\n\n{}", status.text)
            }
            Err(failure) => format!("{}\n", failure.message),
        };
        // From the top, each line to its end, then nothing below.
        let text = text.replace('\n', "\x1b[K\n");
        line(&format!("\x1b[H{text}\x1b[KCtrl-C ends it\x1b[J"));
        tokio::select! {
            () = tokio::time::sleep_until((look + every).into()) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

fn highest(status: &Value) -> u64 {
    let rows = status["validators"].as_array().into_iter().flatten();
    rows.filter_map(|row| row["applied"].as_u64()).max().unwrap_or(0)
}

fn per_second(since: Instant, count: u64) -> u64 {
    let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1_000) / ms
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

    #[test]
    fn the_network_is_as_far_as_its_foremost_validator() {
        let status = json!({"validators": [{"applied": 3}, {"applied": null}, {"applied": 7}]});
        assert_eq!(highest(&status), 7);
        assert_eq!(highest(&json!({})), 0);
    }
}
