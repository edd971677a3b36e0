//! The terminal while `top` has it: its other screen, keys as they are pressed, and all as it was
//! before when that ends, however it does: by a key, an error, a signal or a panic.

use super::ansi::Ansi;
use parking_lot::Mutex;
use ratatui_core::layout::Size;
use ratatui_core::terminal::{Frame, Terminal};
use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios};
use std::io::{self, IsTerminal, Write};
use std::sync::Once;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The other screen, without a cursor and without lines that go on in the next.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l";
/// And back.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
/// How often keys are looked for; the rest of a sequence that begins with Esc comes faster.
const KEYS_PAUSE: Duration = Duration::from_millis(50);

/// What the terminal was before, while it is ours. Taken by whoever restores it first.
static BEFORE: Mutex<Option<Before>> = Mutex::new(None);
/// The panic hook is set once.
static HOOK: Once = Once::new();

/// What standard input was before; `None` when it is no terminal.
struct Before(Option<Termios>);

type Out = Ansi<Stdout, fn() -> io::Result<Size>>;

/// The terminal, ours until this is dropped.
pub(super) struct Screen {
    terminal: Terminal<Out>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it can't be read or written; it is as it was.
    pub(super) fn open(is_coloured: bool) -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                before(panic);
            }));
        });
        let stdin = io::stdin();
        let termios = match stdin.is_terminal() {
            true => Some(rustix::termios::tcgetattr(&stdin)?),
            false => None,
        };
        let size: fn() -> io::Result<Size> = size;
        let terminal = Terminal::new(Ansi::new(Stdout, size, is_coloured))?;
        *BEFORE.lock() = Some(Before(termios.clone()));
        let screen = Self { terminal };
        if let Some(mut raw) = termios {
            raw.make_raw();
            // A read that finds nothing returns at once. (Waiting for what can be read, as tokio's
            // `AsyncFd` does, is `unsafe` by now.)
            raw.special_codes[SpecialCodeIndex::VMIN] = 0;
            raw.special_codes[SpecialCodeIndex::VTIME] = 0;
            rustix::termios::tcsetattr(&stdin, OptionalActions::Flush, &raw)?;
        }
        Stdout.write_all(ENTER)?;
        Ok(screen)
    }

    /// Draws a frame, in the size that the terminal has now.
    ///
    /// # Errors
    /// When the terminal can't be written.
    pub(super) fn draw(&mut self, picture: impl FnOnce(&mut Frame)) -> io::Result<()> {
        self.terminal.draw(picture).map(|_| ())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    let Some(Before(termios)) = BEFORE.lock().take() else { return };
    // A terminal that is gone needs nothing.
    drop(Stdout.write_all(LEAVE));
    if let Some(termios) = termios
        && let Err(error) =
            rustix::termios::tcsetattr(io::stdin(), OptionalActions::Flush, &termios)
    {
        tracing::debug!(%error, "the terminal was not restored");
    }
}

fn size() -> io::Result<Size> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout())?;
    Ok(Size::new(size.ws_col, size.ws_row))
}

/// Standard output without std's lock and buffer: a panic may have either.
struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        rustix::io::retry_on_intr(|| rustix::io::write(rustix::stdio::stdout(), bytes))
            .map_err(io::Error::from)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the person at the terminal wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// No more of it.
    End,
    /// The terminal has another size.
    Redraw,
}

/// Keys and signals.
pub(super) struct Wishes {
    /// Whether standard input is a terminal.
    has_keys: bool,
    /// Whether an Esc was the last that came.
    is_escaped: bool,
    ends: [Signal; 3],
    resized: Signal,
}

impl Wishes {
    /// From now on.
    ///
    /// # Errors
    /// When signals can't be watched.
    pub(super) fn new() -> io::Result<Self> {
        let ends = [
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::interrupt())?,
        ];
        let resized = signal(SignalKind::window_change())?;
        Ok(Self { has_keys: io::stdin().is_terminal(), is_escaped: false, ends, resized })
    }

    /// Waits for the next. Nothing is lost when this is dropped early.
    pub(super) async fn next(&mut self) -> Wish {
        loop {
            let [terminate, hangup, interrupt] = &mut self.ends;
            tokio::select! {
                _ = terminate.recv() => return Wish::End,
                _ = hangup.recv() => return Wish::End,
                _ = interrupt.recv() => return Wish::End,
                _ = self.resized.recv() => return Wish::Redraw,
                () = tokio::time::sleep(KEYS_PAUSE), if self.has_keys => {
                    if self.is_end_pressed() {
                        return Wish::End;
                    }
                }
            }
        }
    }

    /// Takes what was pressed since the last time.
    fn is_end_pressed(&mut self) -> bool {
        let mut bytes = [0; 64];
        let bytes = match rustix::io::read(io::stdin(), &mut bytes) {
            Ok(count) => &bytes[..count],
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return false,
            // The terminal is gone.
            Err(_) => return true,
        };
        let was_escaped = std::mem::take(&mut self.is_escaped);
        if was_escaped && matches!(bytes, [b'[' | b'O', ..]) {
            return bytes.contains(&CTRL_C);
        }
        match meaning(bytes) {
            Meaning::End => true,
            Meaning::Escape => {
                self.is_escaped = true;
                was_escaped
            }
            // An Esc that nothing follows is a key, else the beginning of an arrow key's sequence.
            Meaning::Nothing => was_escaped && bytes.is_empty(),
        }
    }
}

const CTRL_C: u8 = 3;
const ESCAPE: u8 = 0x1b;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    End,
    /// Perhaps an end, perhaps the beginning of a sequence.
    Escape,
    Nothing,
}

fn meaning(bytes: &[u8]) -> Meaning {
    match bytes {
        [ESCAPE] => Meaning::Escape,
        // Esc, pressed again and again.
        [ESCAPE, ESCAPE, ..] => Meaning::End,
        bytes if bytes.contains(&CTRL_C) => Meaning::End,
        [ESCAPE, ..] => Meaning::Nothing,
        bytes if bytes.iter().any(|byte| matches!(byte, b'q' | b'Q')) => Meaning::End,
        _ => Meaning::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_esc_and_ctrl_c_end_it_and_other_keys_do_not() {
        for bytes in [&b"q"[..], b"Q", b"\x03", b"xq", b"\x1b\x1b", b"\x1b[A\x03"] {
            assert_eq!(meaning(bytes), Meaning::End, "{bytes:?}");
        }
        for bytes in [&b"x"[..], b"", b"\r", b"\x1b[A", b"\x1bq", b"\xc3\xa4", b"\x1a"] {
            assert_eq!(meaning(bytes), Meaning::Nothing, "{bytes:?}");
        }
        assert_eq!(meaning(b"\x1b"), Meaning::Escape);
    }
}
