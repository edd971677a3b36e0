//! The table of validators: columns as wide as what is in them; where they do not fit side by side,
//! the least important are left out.

use super::draw::{duration, grouped};
use super::row::{Health, Row};
use ratatui_core::style::{Color, Modifier, Style};
use ratatui_core::text::{Line, Span};

/// Blanks between two columns.
const GAP: usize = 2;

/// One column.
struct Column {
    title: &'static str,
    is_number: bool,
    /// Columns of a higher rank are left out first; those of rank 0 stay.
    rank: u8,
    cell: fn(&Row) -> String,
}

const COLUMNS: [Column; 9] = [
    Column { title: "validator", is_number: false, rank: 0, cell: |row| row.name.clone() },
    Column { title: "state", is_number: false, rank: 1, cell: |row| row.state.clone() },
    Column { title: "votes", is_number: false, rank: 4, cell: |row| yes(row.votes) },
    Column { title: "applied", is_number: true, rank: 2, cell: |row| count(row.applied) },
    Column { title: "behind", is_number: true, rank: 3, cell: |row| count(row.behind) },
    Column { title: "rtt", is_number: true, rank: 5, cell: |row| or_dash(row.rtt_us, duration) },
    Column { title: "locks", is_number: true, rank: 7, cell: |row| count(row.locks) },
    Column { title: "up for", is_number: true, rank: 8, cell: |row| or_dash(row.uptime_s, age) },
    Column { title: "version", is_number: false, rank: 6, cell: version },
];

/// The header and a line a row, each within `width` but for the first column.
pub(super) fn lines(rows: &[Row], width: usize) -> Vec<Line<'static>> {
    if rows.is_empty() {
        return Vec::new();
    }
    let cells = |column: &Column| rows.iter().map(column.cell).collect::<Vec<String>>();
    let filled = COLUMNS.iter().map(|column| (column, cells(column)));
    let mut columns: Vec<(&Column, Vec<String>, usize)> = filled
        .map(|(column, cells)| {
            let widest = cells.iter().map(|cell| Span::raw(cell).width()).max().unwrap_or(0);
            (column, cells, widest.max(column.title.len()))
        })
        .collect();
    let total = |columns: &[(&Column, Vec<String>, usize)]| {
        columns.iter().map(|(_, _, width)| width + GAP).sum::<usize>().saturating_sub(GAP)
    };
    while total(&columns) > width {
        let ranks = columns.iter().map(|(column, ..)| column.rank);
        let Some(last) = ranks.max().filter(|rank| *rank > 0) else { break };
        columns.retain(|(column, ..)| column.rank != last);
    }
    let head = columns.iter().map(|(column, _, width)| pad(column.title, *width, column));
    let head = Line::styled(head.collect::<Vec<_>>().join(&" ".repeat(GAP)), Modifier::DIM);
    let mut lines = vec![head];
    for (index, row) in rows.iter().enumerate() {
        let mut line = Line::default();
        for (place, (column, cells, width)) in columns.iter().enumerate() {
            if place > 0 {
                line.push_span(Span::raw(" ".repeat(GAP)));
            }
            let style = match (column.title, row.health) {
                ("state", health) => of_health(health),
                ("validator", Health::Bad) => of_health(Health::Bad),
                _ => Style::new(),
            };
            line.push_span(Span::styled(pad(&cells[index], *width, column), style));
        }
        lines.push(line);
    }
    lines
}

/// At most `room` of the table's lines; where that is fewer, the last says how many are missing.
pub(super) fn cut(mut lines: Vec<Line<'static>>, room: usize) -> Vec<Line<'static>> {
    if lines.len() > room {
        let kept = room.saturating_sub(1);
        let missing = lines.len() - kept.max(1);
        lines.truncate(kept);
        lines.push(Line::styled(format!("… {missing} more"), Modifier::DIM));
    }
    lines
}

fn pad(cell: &str, width: usize, column: &Column) -> String {
    let blanks = " ".repeat(width.saturating_sub(Span::raw(cell).width()));
    if column.is_number { blanks + cell } else { cell.to_string() + &blanks }
}

fn of_health(health: Health) -> Style {
    Style::new().fg(match health {
        Health::Good => Color::Green,
        Health::Middling => Color::Yellow,
        Health::Bad => Color::Red,
    })
}

fn or_dash(figure: Option<u64>, text: fn(u64) -> String) -> String {
    figure.map_or("-".into(), text)
}

fn count(figure: Option<u64>) -> String {
    or_dash(figure, grouped)
}

fn version(row: &Row) -> String {
    row.version.clone().unwrap_or_else(|| "-".into())
}

fn yes(claim: Option<bool>) -> String {
    match claim {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    }
    .into()
}

/// `42 s`, `7 min`, `5 h`, `12 d`.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
