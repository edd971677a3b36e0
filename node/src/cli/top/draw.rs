//! The picture: a pure function of the view and the size of the screen. What does not fit is left
//! out, the least important first; it has to work on a screen of one cell.
//!
//! ```text
//!  quorate top  seven 4be1f4a1…  seen by v0
//!  ready: 7 of 7 vote, 5 needed; 7 of 7 nodes take transfers
//!  123,456 final   1,234/s   1,180/s over the last minute
//!  ▁▁▂▂▃▅▇█▇▇▆▅ 1,300/s at most
//!  finality of the last minute: p50 3.2 ms, p99 12 ms, of 70,800 transfers
//!
//!  validator  state  votes  applied  behind  rtt …      ← `table.rs`
//!  …
//!
//!  latest batches
//!  …
//!  q ends it
//! ```

use super::state::{Finality, Standing, View, Weights};
use super::table;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier, Style};
use ratatui_core::symbols::bar;
use ratatui_core::text::{Line, Span};

/// Heights of a bar, in eighths of a cell.
const BARS: [&str; 9] = [
    " ",
    bar::ONE_EIGHTH,
    bar::ONE_QUARTER,
    bar::THREE_EIGHTHS,
    bar::HALF,
    bar::FIVE_EIGHTHS,
    bar::THREE_QUARTERS,
    bar::SEVEN_EIGHTHS,
    bar::FULL,
];

/// Draws all of it.
pub(super) fn draw(view: &View, area: Rect, buffer: &mut Buffer) {
    let height = usize::from(area.height);
    let has_foot = height >= 3;
    let room = height - usize::from(has_foot);
    let lines = lines(view, room, usize::from(area.width));
    for (line, y) in lines.iter().take(room).zip(area.top()..) {
        buffer.set_line(area.left(), y, line, area.width);
    }
    if has_foot {
        let foot = Line::styled("q, Esc or Ctrl-C ends it", Modifier::DIM);
        buffer.set_line(area.left(), area.bottom() - 1, &foot, area.width);
    }
}

/// What stands above the foot: at most `room` lines, but for a screen that is lower than what has
/// to be said; that is cut off.
fn lines(view: &View, room: usize, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![title(view), standing(&view.standing)];
    let table = table::lines(&view.rows, width);
    let notes = view.notes.iter().map(|note| Line::styled(note.clone(), Color::Yellow));
    let notes: Vec<Line<'static>> = notes.collect();
    let needed = lines.len() + table.len() + notes.len();
    let mut spare = room.saturating_sub(needed);
    let mut is_room = |count: usize| {
        let is_enough = spare >= count;
        spare -= if is_enough { count } else { 0 };
        is_enough
    };
    if is_room(1) {
        lines.push(rate(view));
    }
    // What never was seen to become final has no curve.
    if view.seconds.iter().any(|count| *count > 0) && is_room(1) {
        lines.push(sparkline(&view.seconds, width));
    }
    if view.finality.count > 0 && is_room(1) {
        lines.push(finality(&view.finality));
    }
    if is_room(1) {
        lines.push(Line::default());
    }
    let below = room.saturating_sub(lines.len() + notes.len());
    lines.extend(table::cut(table, below.max(2)));
    lines.extend(notes);
    let batches = room.saturating_sub(lines.len() + 2).min(view.batches.len());
    if batches > 0 {
        lines.push(Line::default());
        lines.push(Line::styled("latest batches", Modifier::DIM));
        let latest = view.batches.iter().rev().take(batches);
        lines.extend(latest.map(|row| {
            let (position, id, applied) = (grouped(row.position), row.id, grouped(row.applied));
            let plural = if row.applied == 1 { "" } else { "s" };
            Line::raw(format!("{position:>11}  {applied} transfer{plural}  {id}"))
        }));
    }
    lines
}

fn title(view: &View) -> Line<'static> {
    let mut line = Line::from(vec![Span::styled("quorate top", Modifier::BOLD)]);
    if !view.network.is_empty() {
        line.push_span(Span::raw(format!("  {}", view.network)));
    }
    if let Some(name) = &view.seen_by {
        line.push_span(Span::styled(format!("  seen by {name}"), Modifier::DIM));
    }
    line
}

fn standing(standing: &Standing) -> Line<'static> {
    let votes = |weights: &Weights| {
        let Weights { voting, all, quorum, .. } = weights;
        format!("{voting} of {all} vote, {quorum} needed")
    };
    let alarm = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD | Modifier::REVERSED);
    match standing {
        Standing::Asking => Line::raw("asking the nodes"),
        Standing::Silence => Line::styled("no node answers", alarm),
        Standing::NoQuorum(weights) => {
            Line::styled(format!("NO QUORUM: {}; nothing becomes final", votes(weights)), alarm)
        }
        Standing::NotReady(weights) => {
            let text = format!("NOT READY: {}; no node that answers reaches them", votes(weights));
            Line::styled(text, alarm)
        }
        Standing::Ready(weights) => {
            let is_whole = weights.voting == weights.all && weights.ready == weights.asked;
            let color = if is_whole { Color::Green } else { Color::Yellow };
            let nodes = format!("{} of {} nodes take transfers", weights.ready, weights.asked);
            let ready = Span::styled("ready", Style::new().fg(color).add_modifier(Modifier::BOLD));
            Line::from(vec![ready, Span::raw(format!(": {}; {nodes}", votes(weights)))])
        }
    }
}

fn rate(view: &View) -> Line<'static> {
    let Some(applied) = view.applied else { return Line::default() };
    let (rate, mean) = (grouped(view.rate), grouped(view.mean));
    let final_ = Span::styled(format!("{} final", grouped(applied)), Modifier::BOLD);
    Line::from(vec![final_, Span::raw(format!("   {rate}/s   {mean}/s over the last minute"))])
}

/// The newest seconds that there is room for, with the highest of all.
fn sparkline(seconds: &[u64], width: usize) -> Line<'static> {
    let highest = seconds.iter().copied().max().unwrap_or(0);
    let legend = format!(" {}/s at most", grouped(highest));
    let cells = width.saturating_sub(legend.len());
    let shown = &seconds[seconds.len().saturating_sub(cells)..];
    let bars: String = shown.iter().map(|count| eighths(*count, highest)).collect();
    Line::from(vec![Span::styled(bars, Color::Cyan), Span::styled(legend, Modifier::DIM)])
}

/// A part of the highest as a bar; what is more than nothing is seen.
fn eighths(count: u64, highest: u64) -> &'static str {
    let part = (u128::from(count) * 8).div_ceil(u128::from(highest.max(1)));
    BARS[usize::try_from(part.min(8)).unwrap_or(8)]
}

fn finality(finality: &Finality) -> Line<'static> {
    let time = |us: Option<u64>| us.map_or("-".into(), duration);
    let (p50, p99) = (time(finality.p50_us), time(finality.p99_us));
    let text = format!("finality of the last minute: p50 {p50}, p99 {p99}");
    let of = format!(", of {} transfers", grouped(finality.count));
    Line::from(vec![Span::raw(text), Span::styled(of, Modifier::DIM)])
}

/// `850 µs`, `3.2 ms`, `1.5 s`; the histogram's last bucket is `over 10 s`.
pub(super) fn duration(us: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", us / unit, us % unit * 10 / unit);
    match us {
        u64::MAX => "over 10 s".into(),
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => tenths(1_000) + " ms",
        _ => tenths(1_000_000) + " s",
    }
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
