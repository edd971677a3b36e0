//! The style of CONTRIBUTING.md, held by tests: one test a rule, and one that shows it can fail.
//!
//! Only std: this file reads the workspace as text. Rules about code look at `Source::code`, where
//! comments, strings and characters are blanked; words that this file forbids are put together by
//! `concat!`, so that it does not match itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Every crate and those of ours that it may use, lowest first.
const CRATES: [(&str, &[&str]); 6] = [
    ("ledger", &[]),
    ("consensus", &["ledger"]),
    ("ipfs-adapter", &[]),
    ("node", &["ledger", "consensus", "ipfs-adapter"]),
    ("testnet", &["ledger", "consensus", "ipfs-adapter", "node"]),
    ("benches", &["ledger", "consensus", "ipfs-adapter", "node", "testnet"]),
];
/// Crates whose numbers are hashed, signed or voted on: no lossy casts there.
const EXACT: [&str; 2] = ["ledger", "consensus"];

const FILE_LINES_MAX: usize = 400;
const TEST_FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const TEST_FUNCTION_LINES_MAX: usize = 120;
const COLUMNS_MAX: usize = 100;

// ---------------------------------------------------------------- the rules, over the workspace

#[test]
fn top_level_folders_are_the_crates() {
    let wanted: BTreeSet<String> = CRATES.iter().map(|(name, _)| String::from(*name)).collect();
    assert_eq!(
        tracked_folders(),
        wanted,
        "the top level holds the six crates, dot-folders and target only: move what is new into \
         one of them, or change this list together with ARCHITECTURE.md"
    );
}

#[test]
fn imports_go_one_way() {
    let found = manifests().iter().flat_map(wrong_way).collect();
    hold(found, "move the code down, or hand the data in as an argument; no crate looks upward");
}

#[test]
fn lints_come_from_the_workspace() {
    let found = manifests().iter().flat_map(own_lints).collect();
    hold(found, "write `[lints]` and `workspace = true` into the crate's manifest");
}

#[test]
fn unsafe_is_forbidden_everywhere() {
    let found = allows_unsafe(&read(&root().join("Cargo.toml")));
    hold(found, "keep `unsafe_code = \"forbid\"` under [workspace.lints.rust]");
}

#[test]
fn each_file_says_what_it_is_for() {
    over_sources(headless, "begin the file with `//!`: what it does, what not, where it sits");
}

#[test]
fn files_stay_short() {
    over_sources(long_file, "cut at a noun: `a.rs` and `a/b.rs`; tests move to `a/tests.rs`");
}

#[test]
fn functions_stay_short() {
    over_sources(long_functions, "cut at a noun; ifs stay in the parent, fors go to the leaf");
}

#[test]
fn lines_stay_short() {
    over_sources(long_lines, "break the line; `cargo fmt` leaves long strings and comments alone");
}

#[test]
fn files_are_named_after_their_noun() {
    over_sources(vague_names, "`a.rs` beside `a/`, named after the one thing that it holds");
}

#[test]
fn everything_has_a_bound() {
    over_sources(boundless, "give it a capacity: a named constant with its unit and its reason");
}

#[test]
fn nothing_is_left_for_later() {
    over_sources(left_for_later, "do it now, or open an issue; a test that cannot run is no test");
}

#[test]
fn nothing_is_unwrapped() {
    over_sources(unwraps, "return the error, or `expect(\"why it cannot fail\")`");
}

#[test]
fn no_thread_sleeps() {
    over_sources(sleeps, "wait for the event itself with a deadline; take the time as an argument");
}

#[test]
fn ledger_and_consensus_do_not_cast() {
    over_sources(casts, "`u64::from` where it cannot lose, `try_from` where it can");
}

// ------------------------------------------------------------------------------- what was found

#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1, as editors count.
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}:{}: {}", self.path, self.line, self.what)
    }
}

fn hold(found: Vec<Finding>, what_to_do: &str) {
    let list: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert!(found.is_empty(), "\n{}\n  -> {what_to_do}\n", list.join("\n"));
}

fn over_sources(rule: fn(&Source) -> Vec<Finding>, what_to_do: &str) {
    let sources = sources();
    assert!(sources.len() > CRATES.len(), "the workspace was not found");
    hold(sources.iter().flat_map(rule).collect(), what_to_do);
}

// ------------------------------------------------------------------------------ rules on sources

fn headless(source: &Source) -> Vec<Finding> {
    let is_headed = source.text.starts_with("//!");
    if is_headed { vec![] } else { vec![source.finding(0, "no `//!` in the first line")] }
}

fn long_file(source: &Source) -> Vec<Finding> {
    let count =
        (0..source.tested.len()).filter(|line| source.is_test || !source.tested[*line]).count();
    let max = if source.is_test { TEST_FILE_LINES_MAX } else { FILE_LINES_MAX };
    if count <= max { vec![] } else { vec![source.finding(0, format!("{count} lines of {max}"))] }
}

fn long_functions(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, name) in functions(&source.code) {
        let Some(end) = body_end(&source.code, at) else { continue };
        let (first, last) = (line_of(&source.code, at), line_of(&source.code, end));
        let is_test = source.is_tested(first);
        let max = if is_test { TEST_FUNCTION_LINES_MAX } else { FUNCTION_LINES_MAX };
        let count = last - first + 1;
        if count > max {
            found.push(source.finding(first, format!("`{name}` has {count} lines of {max}")));
        }
    }
    found
}

fn long_lines(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().map(|line| line.chars().count()).enumerate();
    lines
        .filter(|(_, columns)| *columns > COLUMNS_MAX)
        .map(|(line, columns)| source.finding(line, format!("{columns} columns of {COLUMNS_MAX}")))
        .collect()
}

fn vague_names(source: &Source) -> Vec<Finding> {
    let file = source.path.rsplit('/').next().expect("a path has a last part");
    let vague = ["mod.rs", "utils.rs", "util.rs", "common.rs", "helpers.rs", "types.rs"];
    if vague.contains(&file) { vec![source.finding(0, format!("named `{file}`"))] } else { vec![] }
}

fn boundless(source: &Source) -> Vec<Finding> {
    source.matches(&source.code, concat!("unb", "ounded"), Scope::All)
}

fn left_for_later(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for word in [concat!("TO", "DO"), concat!("FIX", "ME")] {
        found.extend(source.matches(&source.text, word, Scope::All));
    }
    let code = [
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("#[ig", "nore"),
        concat!(", ig", "nore)]"),
    ];
    for word in code {
        found.extend(source.matches(&source.code, word, Scope::All));
    }
    found
}

fn unwraps(source: &Source) -> Vec<Finding> {
    source.matches(&source.code, concat!(".unw", "rap()"), Scope::Product)
}

fn sleeps(source: &Source) -> Vec<Finding> {
    source.matches(&source.code, concat!("thread::", "sleep"), Scope::All)
}

fn casts(source: &Source) -> Vec<Finding> {
    let is_exact = EXACT.iter().any(|name| source.path.starts_with(&format!("{name}/")));
    if !is_exact {
        return vec![];
    }
    let numbers = [
        "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
        "f32", "f64",
    ];
    let mut found = Vec::new();
    for number in numbers {
        found.extend(source.matches(&source.code, &format!("as {number}"), Scope::Product));
    }
    found
}

// ---------------------------------------------------------------------------- rules on manifests

struct Manifest {
    name: &'static str,
    text: String,
}

impl Manifest {
    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        let path = format!("{}/Cargo.toml", self.name);
        Finding { path, line: line + 1, what: what.into() }
    }
}

/// Dependencies of ours, of any kind and behind any target or rename, that are not lower.
fn wrong_way(manifest: &Manifest) -> Vec<Finding> {
    let allowed = CRATES.iter().find(|(name, _)| *name == manifest.name).map_or(&[][..], |c| c.1);
    let is_upward =
        |name: &&str| CRATES.iter().any(|(ours, _)| ours == name) && !allowed.contains(name);
    let mut found = Vec::new();
    let mut is_list = false;
    for (line, text) in manifest.text.lines().enumerate() {
        let text = text.split('#').next().unwrap_or_default().trim();
        let mut names = BTreeSet::new();
        if let Some(header) = text.strip_prefix('[').map(|header| header.trim_end_matches(']')) {
            // `[dependencies]`, `[target.'…'.dependencies]` or `[dependencies.name]`.
            is_list = header.contains("dependencies");
            names.extend(header.rsplit('.').next().filter(|_| is_list));
        } else if is_list {
            names.extend(text.split(['.', '=', ' ']).next().map(|name| name.trim_matches('"')));
            // A name in front may be free choice, so package names and paths count too.
            let quoted = text.split('"').skip(1).step_by(2);
            names.extend(quoted.filter_map(|value| value.rsplit('/').next()));
        }
        let what = |name| manifest.finding(line, format!("{} uses {name}", manifest.name));
        found.extend(names.into_iter().filter(is_upward).map(what));
    }
    found
}

fn own_lints(manifest: &Manifest) -> Vec<Finding> {
    let mut lines = manifest.text.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_shared = lines.any(|line| line == "[lints]") && lines.next() == Some("workspace = true");
    if is_shared { vec![] } else { vec![manifest.finding(0, "lints of its own, or none")] }
}

fn allows_unsafe(workspace: &str) -> Vec<Finding> {
    let table = workspace.split("\n[").find(|table| table.starts_with("workspace.lints.rust]"));
    let wanted = "unsafe_code = \"forbid\"";
    if table.is_some_and(|table| table.lines().any(|line| line.trim() == wanted)) {
        return vec![];
    }
    vec![Finding { path: "Cargo.toml".into(), line: 1, what: "unsafe code is allowed".into() }]
}

// ------------------------------------------------------------------------------------ the sources

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    /// Without tests.
    Product,
}

/// One .rs file.
struct Source {
    /// From the workspace's root, with `/`.
    path: String,
    text: String,
    /// `text` byte for byte, with comments, strings and characters blanked.
    code: String,
    /// The whole file is tests.
    is_test: bool,
    /// `tested[i]`: line `i` belongs to an item under `#[cfg(test)]`.
    tested: Vec<bool>,
}

impl Source {
    fn new(path: &str, text: &str, is_test: bool) -> Self {
        let code = blanked(text);
        let mut tested = vec![false; text.lines().count()];
        for (at, _) in code.match_indices("#[cfg(test)]") {
            let end = body_end(&code, at).unwrap_or_else(|| item_end(&code, at));
            tested[line_of(&code, at)..=line_of(&code, end)].fill(true);
        }
        Self { path: path.into(), text: text.into(), code, is_test, tested }
    }

    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line: line + 1, what: what.into() }
    }

    fn is_tested(&self, line: usize) -> bool {
        self.is_test || self.tested[line]
    }

    /// Where `word` stands in `text` (this file's text or code) and is no part of a longer word.
    fn matches(&self, text: &str, word: &str, scope: Scope) -> Vec<Finding> {
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric());
        let is_whole = |at: usize| {
            let (before, after) = (&text[..at], &text[at + word.len()..]);
            let starts = !joins(word.chars().next()) || !joins(before.chars().next_back());
            let ends = !joins(word.chars().next_back()) || !joins(after.chars().next());
            starts && ends
        };
        text.match_indices(word)
            .filter(|(at, _)| is_whole(*at))
            .map(|(at, _)| line_of(text, at))
            .filter(|line| scope == Scope::All || !self.is_tested(*line))
            .map(|line| self.finding(line, format!("`{word}`")))
            .collect()
    }
}

/// The text with every comment, string and character literal replaced by spaces, lines kept.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        for byte in code[at..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        at = end.max(at + 1);
    }
    String::from_utf8(code).expect("literals are blanked whole")
}

/// The end of the comment or literal that begins at `at`; `at` itself when none does.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let is_in_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    let length = match rest {
        [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => comment_length(rest),
        [b'"', ..] => quoted_length(rest, b'"'),
        [b'r', b'"' | b'#', ..] | [b'b' | b'c', b'r', b'"' | b'#', ..] if !is_in_word => {
            raw_length(rest)
        }
        [b'\'', b'\\', ..] => quoted_length(rest, b'\''),
        [b'\'', ..] => {
            // A character ends after one scalar value; anything else is a lifetime.
            let head = String::from_utf8_lossy(&rest[1..rest.len().min(6)]);
            let width = head.chars().next().map_or(0, char::len_utf8);
            if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
        }
        _ => 0,
    };
    at + length
}

/// The length of a literal in these quotes, its escapes skipped.
fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The length of a raw string; 0 for a raw identifier.
fn raw_length(rest: &[u8]) -> usize {
    let prefix = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let open = prefix + hashes + 1;
    if rest.get(open - 1) != Some(&b'"') {
        return 0;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let found = rest[open..].windows(close.len()).position(|window| window == close);
    found.map_or(rest.len(), |length| open + length + close.len())
}

/// The length of a block comment; they nest.
fn comment_length(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Where each function begins, and its name; function pointers have none.
fn functions(code: &str) -> Vec<(usize, String)> {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let name = |at: usize| code[at + 3..].split(|c| !is_of_name(c)).next().unwrap_or_default();
    code.match_indices("fn ")
        .filter(|(at, _)| !code[..*at].ends_with(is_of_name))
        .map(|(at, _)| (at, String::from(name(at))))
        .filter(|(_, name)| !name.is_empty())
        .collect()
}

/// The closing brace of the item at `from`; none when it ends in a semicolon.
fn body_end(code: &str, from: usize) -> Option<usize> {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (index, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b';' if braces == 0 && brackets == 0 => return None,
            b'{' => braces += 1,
            b'}' if braces <= 1 => return (braces == 1).then_some(index),
            b'}' => braces -= 1,
            _ => {}
        }
    }
    None
}

/// The semicolon of an item without a body.
fn item_end(code: &str, from: usize) -> usize {
    code[from..].find(';').map_or(code.len().saturating_sub(1), |length| from + length)
}

/// From 0.
fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
}

// ---------------------------------------------------------------------------------- the workspace

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifests() -> Vec<Manifest> {
    let text = |name: &str| read(&root().join(name).join("Cargo.toml"));
    CRATES.iter().map(|(name, _)| Manifest { name, text: text(name) }).collect()
}

/// Folders that git tracks (without git: that are there), but for dot-folders and target.
fn tracked_folders() -> BTreeSet<String> {
    let git = Command::new("git").current_dir(root()).arg("ls-files").output();
    let listed = git.ok().filter(|git| git.status.success() && !git.stdout.is_empty());
    let mut folders: BTreeSet<String> = match listed {
        Some(git) => String::from_utf8_lossy(&git.stdout)
            .lines()
            .filter_map(|path| path.split_once('/'))
            .map(|(folder, _)| folder.trim_matches('"').into())
            .collect(),
        None => entries(&root())
            .into_iter()
            .filter(|path| path.is_dir())
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect(),
    };
    folders.retain(|folder| !folder.starts_with('.') && folder != "target");
    folders
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries.map(|entry| entry.expect("a folder's entry is read").path()).collect()
}

/// Every .rs file of the six crates.
fn sources() -> Vec<Source> {
    let mut texts = BTreeMap::new();
    let mut folders: Vec<PathBuf> = CRATES.iter().map(|(name, _)| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(root()).expect("the folder is below the root");
                texts.insert(relative.to_string_lossy().replace('\\', "/"), read(&path));
            }
        }
    }
    let tests = test_modules(&texts);
    texts.iter().map(|(path, text)| Source::new(path, text, is_test_file(path, &tests))).collect()
}

/// The paths, without `.rs`, of modules that are declared under `#[cfg(test)]`.
fn test_modules(texts: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for (path, text) in texts {
        let stem = path.trim_end_matches(".rs");
        let root = stem.strip_suffix("/lib").or(stem.strip_suffix("/main"));
        let folder = root.unwrap_or(stem);
        for (at, attribute) in text.match_indices("#[cfg(test)]\n") {
            let item = text[at + attribute.len()..].lines().next().unwrap_or_default();
            let name = item.strip_suffix(';').and_then(|item| item.split_once("mod "));
            modules.extend(name.map(|(_visibility, name)| format!("{folder}/{name}")));
        }
    }
    modules
}

fn is_test_file(path: &str, modules: &BTreeSet<String>) -> bool {
    let stem = path.trim_end_matches(".rs");
    let is_within = |module: &String| {
        let below = stem.strip_prefix(module.as_str());
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    };
    path.contains("/tests/") || path.ends_with("/tests.rs") || modules.iter().any(is_within)
}

// ------------------------------------------------------------------------ each rule can also fail

/// The lines at which the rule finds something in a file of this name and text.
fn lines(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
    let is_test = is_test_file(path, &BTreeSet::new());
    rule(&Source::new(path, text, is_test)).iter().map(|finding| finding.line).collect()
}

/// A function of so many lines.
fn function(count: usize) -> String {
    format!("fn long() {{\n{}}}\n", "    step();\n".repeat(count - 2))
}

#[test]
fn a_headless_file_is_found() {
    assert_eq!(lines(headless, "node/src/a.rs", "use std::fs;\n//! Late.\n"), [1]);
    assert_eq!(lines(headless, "node/src/a.rs", "//! Early.\n"), []);
}

#[test]
fn a_long_file_is_found() {
    let (long, tail) = ("\n".repeat(401), "#[cfg(test)]\nmod tests {\n\n\n}\n");
    assert_eq!(lines(long_file, "node/src/a.rs", &long), [1]);
    assert_eq!(lines(long_file, "node/src/a.rs", &long[1..]), []);
    assert_eq!(lines(long_file, "node/src/a.rs", &format!("{}{tail}", &long[1..])), []);
    assert_eq!(lines(long_file, "node/src/a/tests.rs", &long), []);
    assert_eq!(lines(long_file, "node/tests/a.rs", &long.repeat(2)), [1]);
}

#[test]
fn a_long_function_is_found() {
    let check = |path: &str, text: &str, expected: &[usize]| {
        assert_eq!(lines(long_functions, path, text), expected, "{text}");
    };
    check("node/src/a.rs", &function(70), &[]);
    check("node/src/a.rs", &function(71), &[1]);
    check("node/tests/a.rs", &function(120), &[]);
    check("node/tests/a.rs", &function(121), &[1]);
    let inner = function(90);
    let tail = format!("fn a(b: [u8; 2], c: fn (u8));\n#[cfg(test)]\nmod t {{\n{inner}}}\n");
    check("node/src/a.rs", &tail, &[]);
    let hidden = [
        "a('}'); b(\"}\"); // }",
        "/* } /* } */ } */ c::<'_>('\\'', b'}');",
        "d(r#\"}\"}\"#, br\"}\\\", b\"\\\"}\", r#fn);",
    ];
    for line in hidden {
        check("node/src/a.rs", &function(71).replacen("step();", line, 1), &[1]);
        check("node/src/a.rs", &function(70).replacen("step();", line, 1), &[]);
    }
}

#[test]
fn a_long_line_is_found() {
    let text = format!("{}\n{}\n", "ü".repeat(100), "u".repeat(101));
    assert_eq!(lines(long_lines, "node/src/a.rs", &text), [2]);
}

#[test]
fn a_vague_name_is_found() {
    for name in ["mod", "utils", "common", "helpers", "types"] {
        assert_eq!(lines(vague_names, &format!("node/src/a/{name}.rs"), "//! A.\n"), [1]);
    }
    assert_eq!(lines(vague_names, "node/src/modest.rs", "//! A.\n"), []);
}

#[test]
fn what_has_no_bound_is_found() {
    let text = concat!("let a = unb", "ounded();\nuse b::unb", "ounded_channel; // unb", "ounded");
    assert_eq!(lines(boundless, "node/src/a.rs", text), [1, 2]);
    assert_eq!(lines(boundless, "node/src/a.rs", concat!("// unb", "ounded ü")), []);
}

#[test]
fn what_is_left_for_later_is_found() {
    let check = |text: &str, expected: &[usize]| {
        assert_eq!(lines(left_for_later, "node/src/a/tests.rs", text), expected, "{text}");
    };
    check(concat!("a\n// TO", "DO: b\n"), &[2]);
    check(concat!("/// FIX", "ME\n"), &[1]);
    check(concat!("to", "do!()\n"), &[1]);
    check(concat!("unimple", "mented!(\"a\")\n"), &[1]);
    check(concat!("#[ig", "nore = \"slow\"]\n"), &[1]);
    check(concat!("#[cfg_attr(a, ig", "nore)]\n"), &[1]);
    check("mastodons, ignored, ignore(a); // a toDo\n", &[]);
}

#[test]
fn an_unwrap_is_found_outside_tests() {
    let text = concat!("a.unw", "rap();\n#[cfg(test)]\nmod t {\n    b.unw", "rap();\n}\n");
    assert_eq!(lines(unwraps, "node/src/a.rs", text), [1]);
    assert_eq!(lines(unwraps, "node/tests/a.rs", text), []);
    assert_eq!(lines(unwraps, "node/src/a.rs", "a.unwrap_or(b); // c.unwrap()\n"), []);
}

#[test]
fn a_sleep_is_found() {
    assert_eq!(lines(sleeps, "node/tests/a.rs", concat!("std::thread::", "sleep(a);\n")), [1]);
}

#[test]
fn a_cast_is_found_in_ledger_and_consensus() {
    let text = "use a as u;\nlet b = c as u64;\nlet d = \"e as u8\";\n";
    assert_eq!(lines(casts, "ledger/src/a.rs", text), [2]);
    assert_eq!(lines(casts, "consensus/src/a.rs", text), [2]);
    assert_eq!(lines(casts, "ledger/tests/a.rs", text), []);
    assert_eq!(lines(casts, "node/src/a.rs", text), []);
    assert_eq!(lines(casts, "ledger/src/a.rs", "alias u64; has_as_u64; as usized\n"), []);
}

#[test]
fn a_module_declared_for_tests_is_a_test_file() {
    let declared = "#[cfg(test)]\nmod suite;\n#[cfg(test)]\npub(crate) mod b;\nmod product;\n";
    let texts = BTreeMap::from([
        (String::from("node/src/lib.rs"), String::from(declared)),
        (String::from("node/src/a.rs"), String::from("#[cfg(test)]\nmod deep;\n")),
    ]);
    let modules = test_modules(&texts);
    for name in ["suite", "suite/c", "b", "a/deep", "product/tests", "a/tests/c"] {
        assert!(is_test_file(&format!("node/src/{name}.rs"), &modules), "{name}");
    }
    for name in ["product", "suites", "a", "protests"] {
        assert!(!is_test_file(&format!("node/src/{name}.rs"), &modules), "{name}");
    }
}

#[test]
fn an_import_upward_is_found() {
    let check = |name: &'static str, text: &str, expected: &[usize]| {
        let manifest = Manifest { name, text: text.into() };
        let found: Vec<usize> = wrong_way(&manifest).iter().map(|finding| finding.line).collect();
        assert_eq!(found, expected, "{name}: {text}");
    };
    check("ledger", "[package]\nname = \"ledger\"\n[dependencies]\nnodes = \"1\"\n", &[]);
    check("ledger", "[dependencies]\nsha2 = \"1\"\nconsensus.workspace = true\n", &[3]);
    check("ledger", "[dev-dependencies]\nnode = { workspace = true }\n", &[2]);
    check("ledger", "[build-dependencies]\ntestnet.workspace = true\n", &[2]);
    check("ledger", "[dependencies.node]\nworkspace = true\n", &[1]);
    check("ledger", "[target.'cfg(unix)'.dependencies]\nnode.workspace = true\n", &[2]);
    check("ledger", "[dependencies]\na = { package = \"node\", version = \"1\" }\n", &[2]);
    check("ledger", "[dependencies.a]\npath = \"../node\"\n", &[2]);
    check("ipfs-adapter", "[dependencies]\nledger.workspace = true\n", &[2]);
    check("consensus", "[dependencies]\nledger.workspace = true\n", &[]);
    check("consensus", "[dependencies]\nipfs-adapter.workspace = true\n", &[2]);
    check("node", "[dependencies]\ntestnet.workspace = true # for a test\n", &[2]);
    check("node", "[dependencies]\n# testnet.workspace = true\n", &[]);
    check("testnet", "[dependencies]\nbenches.workspace = true\n", &[2]);
}

#[test]
fn lints_of_its_own_are_found() {
    let check = |text: &str| own_lints(&Manifest { name: "node", text: text.into() }).len();
    assert_eq!(check("[package]\nname = \"node\"\n"), 1);
    assert_eq!(check("[lints.rust]\nunsafe_code = \"allow\"\n"), 1);
    assert_eq!(check("[lints]\nworkspace = false\n"), 1);
    assert_eq!(check("[lints]\nworkspace = true\n"), 0);
}

#[test]
fn allowed_unsafe_is_found() {
    let check = |text: &str| allows_unsafe(text).len();
    assert_eq!(check("[workspace]\n[workspace.lints.rust]\nunsafe_code = \"deny\"\n"), 1);
    assert_eq!(check("[workspace]\n[other]\nunsafe_code = \"forbid\"\n"), 1);
    assert_eq!(check("[workspace]\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"), 0);
}
