//! A line that says how far a file is, for people who watch: on a terminal, on standard error, and
//! never with `--quiet`. Programs get the document at the end.

use super::context::Context;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line changes.
const REDRAW: Duration = Duration::from_millis(100);
/// Cells of the bar.
const CELLS: u64 = 24;

/// The line.
pub struct ProgressBar {
    is_shown: bool,
    drawn: Option<Instant>,
}

impl ProgressBar {
    /// A line, where there is somebody to see it.
    pub fn new(context: &Context) -> Self {
        let is_shown = std::io::stderr().is_terminal() && !context.settings.is_quiet;
        Self { is_shown, drawn: None }
    }

    /// So much of so much is done.
    pub fn show(&mut self, done: u64, total: u64) {
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW);
        if self.is_shown && is_due {
            self.drawn = Some(Instant::now());
            draw(&line(done, total));
        }
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            draw("");
        }
    }
}

/// Takes the place of the line before it.
fn draw(text: &str) {
    let mut out = std::io::stderr().lock();
    // A terminal that is gone misses nothing.
    drop(write!(out, "\r\x1b[K{text}").and_then(|()| out.flush()));
}

/// A bar and its part of a hundred, for counts as well as for bytes.
pub fn bar(done: u64, total: u64) -> String {
    let done = done.min(total);
    let part = |whole: u64| {
        let part = u128::from(done) * u128::from(whole) / u128::from(total.max(1));
        u64::try_from(part).unwrap_or(whole)
    };
    let full = usize::try_from(part(CELLS)).unwrap_or_default();
    let all = usize::try_from(CELLS).unwrap_or_default();
    let (filled, empty) = ("#".repeat(full), "·".repeat(all - full));
    format!("[{filled}{empty}] {:>3} %", part(100))
}

fn line(done: u64, total: u64) -> String {
    let done = done.min(total);
    format!("{}  {} of {}", bar(done, total), size(done), size(total))
}

/// A size for people.
pub fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x400 => return format!("{bytes} B"),
        0x400..0x10_0000 => (0x400, "KiB"),
        0x10_0000..0x4000_0000 => (0x10_0000, "MiB"),
        _ => (0x4000_0000, "GiB"),
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        assert_eq!(line(0, 0), format!("[{}]   0 %  0 B of 0 B", "·".repeat(24)));
        let half = format!("[{}{}]  50 %  1.5 MiB of 3.0 MiB", "#".repeat(12), "·".repeat(12));
        assert_eq!(line(3 << 19, 3 << 20), half);
        assert!(line(9, 3).contains("100 %"), "what became longer");
        assert_eq!(size(1 << 30), "1.0 GiB");
        assert_eq!(size(u64::MAX), "17179869183.9 GiB");
    }
}
