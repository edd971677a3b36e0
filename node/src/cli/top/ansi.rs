//! A terminal as ratatui wants it: what is drawn becomes the escape sequences that all terminals
//! of today know. `ratatui-crossterm` does the same for more systems and brings 17 crates.

use ratatui_core::backend::{Backend, ClearType, WindowSize};
use ratatui_core::buffer::Cell;
use ratatui_core::layout::{Position, Size};
use ratatui_core::style::{Color, Modifier};
use std::io::{self, Write};

/// Largest screen that is drawn, in cells: whoever makes the pseudo-terminal says how large it is,
/// and a cell costs some 40 bytes, twice.
const SIZE_MAX: Size = Size::new(1_000, 500);
/// Where the terminal does not know its size.
const SIZE_UNKNOWN: Size = Size::new(80, 24);

/// Writes escape sequences to `out`, a frame at a time.
pub(super) struct Ansi<W, S> {
    out: W,
    /// The screen's size now.
    size: S,
    frame: Vec<u8>,
    position: Position,
    is_coloured: bool,
}

impl<W: Write, S: Fn() -> io::Result<Size>> Ansi<W, S> {
    /// A screen that is written to `out`.
    pub(super) fn new(out: W, size: S, is_coloured: bool) -> Self {
        Self { out, size, frame: Vec::new(), position: Position::ORIGIN, is_coloured }
    }

    fn style(&mut self, cell: &Cell) -> io::Result<()> {
        self.frame.write_all(b"\x1b[0")?;
        for (modifier, code) in [
            (Modifier::BOLD, ";1"),
            (Modifier::DIM, ";2"),
            (Modifier::ITALIC, ";3"),
            (Modifier::UNDERLINED, ";4"),
            (Modifier::REVERSED, ";7"),
        ] {
            if cell.modifier.contains(modifier) {
                self.frame.write_all(code.as_bytes())?;
            }
        }
        if self.is_coloured {
            for (color, base) in [(cell.fg, 30), (cell.bg, 40)] {
                if let Some(code) = code(color) {
                    write!(self.frame, ";{}", base + code)?;
                }
            }
        }
        self.frame.write_all(b"m")
    }
}

/// A colour of the terminal's own palette, counted from the code of black; others are its default.
fn code(color: Color) -> Option<u8> {
    Some(match color {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 60,
        Color::LightRed => 61,
        Color::LightGreen => 62,
        Color::LightYellow => 63,
        Color::LightBlue => 64,
        Color::LightMagenta => 65,
        Color::LightCyan => 66,
        Color::White => 67,
        Color::Reset | Color::Rgb(..) | Color::Indexed(_) => return None,
    })
}

impl<W: Write, S: Fn() -> io::Result<Size>> Backend for Ansi<W, S> {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, cells: I) -> io::Result<()> {
        let mut next: Option<(u16, u16)> = None;
        let mut before: Option<&Cell> = None;
        for (x, y, cell) in cells {
            if next != Some((x, y)) {
                self.set_cursor_position((x, y))?;
            }
            let style = |cell: &Cell| (cell.fg, cell.bg, cell.modifier);
            if before.map(style) != Some(style(cell)) {
                self.style(cell)?;
            }
            self.frame.write_all(cell.symbol().as_bytes())?;
            // How far a symbol that is not ASCII moves the cursor, terminals do not agree on.
            next = cell.symbol().is_ascii().then_some((x.saturating_add(1), y));
            before = Some(cell);
        }
        self.frame.write_all(b"\x1b[0m")
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.frame.write_all(b"\x1b[?25l")
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.frame.write_all(b"\x1b[?25h")
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.position)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.position = position.into();
        let Position { x, y } = self.position;
        write!(self.frame, "\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.frame.write_all(match region {
            ClearType::All => b"\x1b[2J",
            ClearType::AfterCursor => b"\x1b[0J",
            ClearType::BeforeCursor => b"\x1b[1J",
            ClearType::CurrentLine => b"\x1b[2K",
            ClearType::UntilNewLine => b"\x1b[0K",
        })
    }

    fn size(&self) -> io::Result<Size> {
        let size = (self.size)()?;
        Ok(match size.width == 0 || size.height == 0 {
            true => SIZE_UNKNOWN,
            false => Size::new(size.width.min(SIZE_MAX.width), size.height.min(SIZE_MAX.height)),
        })
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        // Nothing here is drawn in pixels.
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.frame);
        self.frame.clear();
        written.and_then(|()| self.out.flush())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui_core::style::Style;
    use ratatui_core::terminal::Terminal;

    fn drawn(is_coloured: bool, size: Size) -> String {
        let mut bytes = Vec::new();
        let ansi = Ansi::new(&mut bytes, || Ok(size), is_coloured);
        let mut terminal = Terminal::new(ansi).expect("a size");
        let draw = |frame: &mut ratatui_core::terminal::Frame| {
            let style = Style::new().fg(Color::Red).bg(Color::White).add_modifier(Modifier::BOLD);
            frame.buffer_mut().set_string(0, 0, "ab", style);
            frame.buffer_mut().set_string(1, 1, "c", Style::new().fg(Color::Rgb(1, 2, 3)));
        };
        terminal.draw(draw).expect("a frame");
        drop(terminal);
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn cells_become_moves_styles_and_symbols() {
        let text = drawn(true, Size::new(3, 2));
        assert!(text.contains("\x1b[1;1H\x1b[0;1;31;107mab"), "{text:?}");
        assert!(text.contains("\x1b[2;2H\x1b[0mc"), "{text:?}");
        assert!(text.ends_with("\x1b[0m\x1b[?25l"), "{text:?}");
    }

    #[test]
    fn without_colours_the_rest_of_a_style_stays() {
        let text = drawn(false, Size::new(3, 2));
        assert!(text.contains("\x1b[0;1mab"), "{text:?}");
    }

    #[test]
    fn a_screen_without_a_size_is_a_usual_one_and_no_screen_is_huge() {
        let sized = |size| Ansi::new(io::sink(), move || Ok(size), false).size().expect("a size");
        assert_eq!(sized(Size::ZERO), SIZE_UNKNOWN);
        assert_eq!(sized(Size::new(0, 7)), SIZE_UNKNOWN);
        assert_eq!(sized(Size::new(u16::MAX, u16::MAX)), SIZE_MAX);
        assert_eq!(sized(Size::new(1, 1)), Size::new(1, 1));
    }
}
