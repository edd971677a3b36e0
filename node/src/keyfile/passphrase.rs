//! Where a passphrase comes from: a file that its owner alone can read, or somebody at a terminal,
//! who is asked without echo. Never a flag or the environment itself: both can be read by others.

use super::{OTHERS, failed};
use crate::error::{Failure, KEY_FILE};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest passphrase, bytes.
const PASSPHRASE_BYTES_MAX: usize = 1_024;

/// A passphrase, 1 to 1,024 bytes, wiped when dropped and never printed.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes bytes as a passphrase; `None` for none or too many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let is_good = !bytes.is_empty() && bytes.len() <= PASSPHRASE_BYTES_MAX;
        is_good.then(|| Self(Zeroizing::new(bytes.to_vec())))
    }

    /// Reads the first line of a file that nobody else can read; there must be no other.
    ///
    /// # Errors
    /// `key_file` when it can't be read, others can read it, or it holds none.
    pub fn of_file(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let failed = |what: String| {
            let what = format!("passphrase file {shown}: {what}; nothing was signed or sent");
            Failure::new(KEY_FILE, what)
        };
        let unreadable = |error: io::Error| {
            failed(error.to_string()).help("name it with --passphrase-file FILE")
        };
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode();
        if mode & OTHERS != 0 {
            let what = format!("others can read it (mode {:03o})", mode & 0o777);
            return Err(failed(what).help(format!("chmod 600 {shown}")));
        }
        let most = PASSPHRASE_BYTES_MAX + 3;
        let mut text = Zeroizing::new(Vec::with_capacity(most + 1));
        let limit = u64::try_from(most).expect("small");
        file.take(limit).read_to_end(&mut text).map_err(unreadable)?;
        let line = text.strip_suffix(b"\n").unwrap_or(&text);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Self::new(line).filter(|_| !line.contains(&b'\n')).ok_or_else(|| {
            let what = format!("it is not one line of 1 to {PASSPHRASE_BYTES_MAX} bytes");
            failed(what).help(format!("write the passphrase alone into {shown}"))
        })
    }

    /// Asks somebody at this process' terminal, without echo.
    ///
    /// # Errors
    /// `key_file` where there is no terminal, nothing was typed, or it was given up.
    pub fn ask(prompt: &str) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            let what = format!("no passphrase was typed: {error}; nothing was signed or sent");
            Failure::new(KEY_FILE, what)
                .help("name a file with --passphrase-file FILE or QUORATE_PASSPHRASE_FILE")
        };
        let mut terminal =
            OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(failed)?;
        write!(terminal, "{prompt}: ").and_then(|()| terminal.flush()).map_err(failed)?;
        let silent = Silent::new(&terminal).map_err(failed)?;
        let line = read_line(&mut &terminal);
        drop(silent);
        writeln!(terminal).map_err(failed)?;
        let line = line.map_err(failed)?;
        Self::new(&line).ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Asks for a new one, twice.
    ///
    /// # Errors
    /// As [`Passphrase::ask`], and when the two differ.
    pub fn ask_new() -> Result<Self, Failure> {
        let first = Self::ask("new passphrase")?;
        if first.0 != Self::ask("the same again")?.0 {
            let what = "the two passphrases differ; no key was written";
            return Err(Failure::new(KEY_FILE, what).help("type it again"));
        }
        Ok(first)
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// How a key file under a passphrase may be opened. The default knows no way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlock {
    /// The file that holds the passphrase.
    pub file: Option<PathBuf>,
    /// Whether somebody at the terminal may be asked.
    pub may_ask: bool,
}

impl Unlock {
    /// The passphrase for a key file.
    pub(super) fn passphrase(&self, key: &Path) -> Result<Passphrase, Failure> {
        match &self.file {
            Some(file) => Passphrase::of_file(file),
            None if self.may_ask => Passphrase::ask(&format!("passphrase of {}", key.display())),
            None => Err(failed(key, "it is under a passphrase, and none is given")
                .help("name a file with --passphrase-file FILE or QUORATE_PASSPHRASE_FILE")
                .help("for a node: key_passphrase_file in its configuration")),
        }
    }
}

/// A terminal that shows nothing of what is typed, and hands over each key; as it was when dropped.
struct Silent<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silent<'a> {
    fn new(terminal: &'a File) -> io::Result<Self> {
        let before = rustix::termios::tcgetattr(terminal)?;
        let mut now = before.clone();
        // Ctrl-C comes as a byte, too, or it would leave the terminal silent.
        now.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        now.special_codes[SpecialCodeIndex::VMIN] = 1;
        now.special_codes[SpecialCodeIndex::VTIME] = 0;
        rustix::termios::tcsetattr(terminal, OptionalActions::Flush, &now)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        let restored =
            rustix::termios::tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
        if let Err(error) = restored {
            tracing::error!(%error, "the terminal's echo could not be switched on again");
        }
    }
}

/// Reads a line, key by key. Backspace takes a byte back; Ctrl-C and Ctrl-D give up.
fn read_line(input: &mut impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX + 1));
    let mut key = Zeroizing::new([0u8]);
    loop {
        match input.read(&mut *key)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => match key[0] {
                b'\n' | b'\r' => return Ok(line),
                0x03 | 0x04 => return Err(io::ErrorKind::Interrupted.into()),
                0x08 | 0x7f => {
                    line.pop();
                }
                0x15 => line.clear(),
                _ if line.len() > PASSPHRASE_BYTES_MAX => {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                byte => line.push(byte),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8], expected: Option<&[u8]>) {
        let line = read_line(&mut &keys[..]).ok();
        assert_eq!(line.as_deref().map(Vec::as_slice), expected, "{keys:?}");
    }

    #[test]
    fn a_line_is_typed_key_by_key_and_can_be_given_up() {
        typed(b"horse\nmore", Some(b"horse"));
        typed(b"horsf\x7fe\r", Some(b"horse"));
        typed(b"\x7f\x08wrong\x15horse\n", Some(b"horse"));
        typed(b"hor\x03se\n", None);
        typed(b"hor\x04", None);
        typed(b"no end", None);
        typed(&[b'x'; PASSPHRASE_BYTES_MAX + 2], None);
    }

    #[test]
    fn a_passphrase_file_is_one_line_that_nobody_else_can_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("passphrase");
        let write = |bytes: &[u8], mode: u32| {
            std::fs::write(&path, bytes).expect("written");
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, permissions).expect("changed");
            Passphrase::of_file(&path).map(|passphrase| passphrase.bytes().to_vec())
        };
        for bytes in [&b"correct horse"[..], b"correct horse\n", b"correct horse\r\n"] {
            assert_eq!(write(bytes, 0o600).expect("good"), b"correct horse");
        }
        let longest = [b'x'; PASSPHRASE_BYTES_MAX];
        assert_eq!(write(&longest, 0o400).expect("good"), longest);
        let longer = [b'x'; PASSPHRASE_BYTES_MAX + 1];
        for bytes in [&b""[..], b"\n", b"two\nlines\n", &longer] {
            let failure = write(bytes, 0o600).expect_err("refused");
            assert!(failure.message.contains("not one line"), "{failure}");
        }
        for mode in [0o640, 0o604, 0o622] {
            let failure = write(b"correct horse", mode).expect_err("refused");
            assert!(failure.message.contains("others can read it"), "{failure}");
            assert_eq!(failure.code.exit, 3);
        }
    }
}
