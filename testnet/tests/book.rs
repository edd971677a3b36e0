//! The book and the README do what they say: every command in their console blocks is run, every
//! link leads somewhere, every chapter is in the table of contents.
//!
//! A console block holds commands (`$ …`, gone on with `> …`) and perhaps what they print, which is
//! not compared. A document's commands run in one bash, in a folder of their own, in their order;
//! each has to end with 0, or with what a comment `# exit N` behind it says. A document that starts
//! a testnet has it for itself; the others share one, `net` in their folder.

#[expect(dead_code, reason = "the other process tests use the rest of it")]
#[path = "processes/running.rs"]
mod running;

use running::finish_within;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Longest time for all commands of one document, on a machine that runs other tests too.
const DOCUMENT_TIME: Duration = Duration::from_secs(300);
/// Programs that not every machine has: documents that need a missing one are left out, and that is
/// said.
const PROGRAMS: [&str; 2] = ["curl", "python3"];
/// What starts a testnet.
const UP: &str = "quorate-testnet up";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The chapters in the order of the table of contents, then the README; from the root.
fn documents() -> Vec<String> {
    let summary = read(&root().join("node/book/src/SUMMARY.md"));
    let chapters = links(&summary).into_iter().map(|(_, link)| format!("node/book/src/{link}"));
    chapters.chain(["README.md".to_string()]).collect()
}

/// The links of a document with their lines, from 1; code is left out.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        for rest in line.split("](").skip(1) {
            found.extend(rest.split_once(')').map(|(link, _)| (number, link.to_string())));
        }
    }
    found
}

/// One command of a document.
#[derive(Debug, PartialEq)]
struct Shown {
    /// Of its first line, from 1.
    line: usize,
    text: String,
    exit: u8,
}

/// The commands of a document's console blocks.
fn commands(text: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    let (mut is_code, mut is_console) = (false, false);
    for (line, text) in (1..).zip(text.lines()) {
        if text.starts_with("```") {
            is_console = !is_code && text == "```console";
            is_code = !is_code;
        }
        if !is_console {
            continue;
        }
        if let Some(command) = text.strip_prefix("$ ") {
            found.push(Shown { line, text: command.into(), exit: 0 });
        } else if let Some(more) = text.strip_prefix('>') {
            let command = found.last_mut().expect("a command before what goes on");
            command.text.push('\n');
            command.text.push_str(more.strip_prefix(' ').unwrap_or(more));
        }
    }
    for command in &mut found {
        let comment = command.text.rsplit_once("# exit ").map(|(_, exit)| exit);
        command.exit = comment.and_then(|exit| exit.parse().ok()).unwrap_or(0);
    }
    found
}

/// What bash runs: all of a document, up to the first command that ends otherwise than it says.
fn script(document: &str, commands: &[Shown]) -> String {
    let mut script = String::from("exec > out 2>&1\n");
    for Shown { line, text, exit } in commands {
        write!(
            script,
            "echo '$ {document}:{line}'\n{{ {text}\n}} < /dev/null\nstatus=$?\n\
             if [ $status != {exit} ]; then\n\
             echo \"{document}:{line} ended with $status, and not with {exit}\"\nexit 1\nfi\n"
        )
        .expect("writing to a string");
    }
    // A command that ends bash itself does not come here.
    script + "echo done > ended\n"
}

/// Folders and programs of one run.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).expect("a folder");
        let testnet = Path::new(env!("CARGO_BIN_EXE_quorate-testnet"));
        symlink(testnet, bin.join("quorate-testnet")).expect("a link");
        // The program that this package has is the other one, too.
        let program = format!("#!/bin/sh\nexec {} cli -- \"$@\"\n", testnet.display());
        std::fs::write(bin.join("quorate"), program).expect("written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bin.join("quorate"), mode).expect("executable");
        Self { folder }
    }

    /// A program in `folder`, which finds both of ours and knows nothing of other testnets.
    fn command(&self, program: &str, folder: &Path) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("QUORATE_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()))
            .env("HOME", folder)
            .env("TMPDIR", self.folder.path())
            .env("XDG_RUNTIME_DIR", folder.join("run"))
            .env("BOOK", root().join("node/book"))
            .stdin(Stdio::null());
        command
    }

    fn testnet(&self, words: &str, folder: &Path) {
        let mut command = self.command(env!("CARGO_BIN_EXE_quorate-testnet"), folder);
        command.args(words.split_whitespace()).args(["--dir", "net"]);
        let ended = finish_within(command, DOCUMENT_TIME);
        assert_eq!(ended.exit, 0, "{words}: {ended:?}");
    }

    /// Runs a document's commands; what went wrong, with the end of what they printed.
    fn run(&self, document: &str, commands: &[Shown]) -> Option<String> {
        let shared = self.folder.path();
        let folder = shared.join(document.replace('/', "-"));
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("script"), script(document, commands)).expect("written");
        let mut command = self.command("bash", &folder);
        let has_own = commands.iter().any(|command| command.text.contains(UP));
        if !has_own {
            symlink(shared.join("net"), folder.join("net")).expect("a link");
            command.env("XDG_RUNTIME_DIR", shared.join("run"));
            command.env("QUORATE_HOME", folder.join("wallet"));
        }
        command.arg("script");
        let ended = finish_within(command, DOCUMENT_TIME);
        if ended.exit == 0 && folder.join("ended").exists() {
            return None;
        }
        let out = std::fs::read(folder.join("out")).unwrap_or_default();
        let out = String::from_utf8_lossy(&out);
        let lines: Vec<&str> = out.lines().collect();
        let shown = lines[lines.len().saturating_sub(12)..].join("\n  ");
        Some(format!("{document}: exit {}\n  {shown}", ended.exit))
    }
}

impl Drop for Place {
    /// Whatever has failed, no process stays behind.
    fn drop(&mut self) {
        let shared = self.folder.path().to_path_buf();
        let entries = std::fs::read_dir(&shared).into_iter().flatten().flatten();
        for folder in entries.map(|entry| entry.path()).chain([shared]) {
            let net = folder.join("net");
            if !net.join("testnet.json").is_file() || net.is_symlink() {
                continue;
            }
            let mut command = self.command(env!("CARGO_BIN_EXE_quorate-testnet"), &folder);
            command.args(["down", "--dir", "net"]);
            let ended = finish_within(command, DOCUMENT_TIME);
            if ended.exit != 0 && !std::thread::panicking() {
                panic!("down failed: {ended:?}");
            }
        }
    }
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[test]
fn every_command_of_the_book_and_the_readme_ends_as_it_says() {
    let place = Place::new();
    place.testnet("up --detach --tokens 1200", place.folder.path());
    let mut failed = Vec::new();
    let mut count = 0;
    for document in documents() {
        let commands = commands(&read(&root().join(&document)));
        let needs = |program: &str| commands.iter().any(|shown| shown.text.contains(program));
        let is_missing = |program: &&str| needs(program) && !is_there(program);
        if let Some(missing) = PROGRAMS.into_iter().find(is_missing) {
            println!("{document} is left out: there is no {missing} on this machine");
            continue;
        }
        if !commands.is_empty() {
            count += commands.len();
            failed.extend(place.run(&document, &commands));
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
    assert!(count > 0, "no document has a command");
}

#[test]
fn every_link_leads_to_a_file() {
    let mut broken = Vec::new();
    for document in documents() {
        let path = root().join(&document);
        for (line, link) in links(&read(&path)) {
            let file = link.split('#').next().unwrap_or_default();
            let is_local = !file.is_empty() && !file.contains("://");
            if is_local && !path.parent().expect("a folder").join(file).exists() {
                broken.push(format!("{document}:{line}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_chapter_is_in_the_table_of_contents() {
    let listed: BTreeSet<String> = documents().into_iter().collect();
    let entries = std::fs::read_dir(root().join("node/book/src")).expect("the book");
    for entry in entries {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        // Pictures are no chapters.
        if !name.ends_with(".md") {
            continue;
        }
        let is_listed = listed.contains(&format!("node/book/src/{name}"));
        assert!(is_listed || name == "SUMMARY.md", "{name} is not in SUMMARY.md");
    }
}

/// The schemas that a text names, like `transfer/1`.
fn schemas(text: &str) -> BTreeSet<String> {
    let is_of_name =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '/' | '.');
    let is_schema = |word: &&str| {
        word.split_once('/').is_some_and(|(name, number)| {
            let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            is_number && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        })
    };
    let words = text.split(|letter| !is_of_name(letter));
    let words = words.filter_map(|word| word.trim_end_matches('.').strip_prefix("quorate."));
    words.filter(is_schema).map(String::from).collect()
}

#[test]
fn the_book_has_every_schema_and_no_other() {
    let book = read(&root().join("node/book/src/documents.md"));
    let rows = book.lines().filter_map(|line| line.strip_prefix("| `quorate.")?.split('`').next());
    let explained: BTreeSet<String> = rows.map(String::from).collect();
    let mut named = BTreeSet::new();
    let mut folders =
        ["ledger/src", "node/src", "testnet/src"].map(|path| root().join(path)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("sources") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                named.extend(schemas(&read(&path)));
            }
        }
    }
    let missing: Vec<&String> = named.difference(&explained).collect();
    assert!(missing.is_empty(), "documents.md lacks {missing:?}");
    let unknown: Vec<&String> = explained.difference(&named).collect();
    assert!(unknown.is_empty(), "documents.md has {unknown:?}");
}

#[test]
fn commands_are_found_with_their_lines_and_exit_statuses() {
    let text = "```sh\n$ not run\n```\n```console\n$ one\nprinted\n$ two  # exit 6\n```\n\
                $ text\n```console\n$ cat <<END\n> a\n>\n> END\n```\n";
    let shown = |line, text: &str, exit| Shown { line, text: text.into(), exit };
    let expected =
        [shown(5, "one", 0), shown(7, "two  # exit 6", 6), shown(11, "cat <<END\na\n\nEND", 0)];
    assert_eq!(commands(text), expected);
    let expected: Vec<(usize, String)> = vec![(1, "b.md".into()), (1, "d".into())];
    assert_eq!(links("[a](b.md) [c](d)\n```\n[e](f)\n```\n"), expected);
}
