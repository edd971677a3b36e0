//! The list of deliberately broken variants of the product, `broken/*.patch`, kept honest without
//! building them: each patch still fits the code, the test that catches it is there, and its row in
//! CONTRIBUTING.md says the same. That each is caught is shown by `.ci/broken`, which builds them.

use std::fs;
use std::path::{Path, PathBuf};

/// Fewer would be a list that somebody has cut.
const VARIANTS_MIN: usize = 24;

/// One patch: what its header says, and what it changes.
struct Variant {
    name: String,
    broken: String,
    rule: String,
    command: String,
    hunks: Vec<Hunk>,
}

/// Lines of a file as they are before the change, context included.
struct Hunk {
    file: PathBuf,
    before: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn variants() -> Vec<Variant> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let files = fs::read_dir(folder).expect("the folder is there");
    let mut all: Vec<Variant> =
        files.map(|file| variant(&file.expect("readable").path())).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn variant(path: &Path) -> Variant {
    let text = fs::read_to_string(path).expect("a patch is text");
    let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_string();
    let header = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("{name} does not say: {key}")).to_string()
    };
    Variant {
        broken: header("Broken").trim_end_matches('.').to_string(),
        rule: header("Rule"),
        command: header("Command"),
        hunks: hunks(&text),
        name,
    }
}

fn hunks(text: &str) -> Vec<Hunk> {
    let mut hunks: Vec<Hunk> = Vec::new();
    let mut file = PathBuf::new();
    let body = text.lines().skip_while(|line| !line.starts_with("--- "));
    for line in body {
        if let Some(path) = line.strip_prefix("--- a/") {
            file = root().join(path);
        } else if line.starts_with("@@ ") {
            hunks.push(Hunk { file: file.clone(), before: Vec::new() });
        } else if let Some(old) = line.strip_prefix([' ', '-'])
            && let Some(hunk) = hunks.last_mut()
        {
            hunk.before.push(old.to_string());
        }
    }
    hunks
}

impl Hunk {
    /// How often the lines stand in the file, one after the other.
    fn places(&self) -> usize {
        let text = fs::read_to_string(&self.file).expect("a file of the repository");
        let lines: Vec<&str> = text.lines().collect();
        lines.windows(self.before.len()).filter(|lines| *lines == self.before).count()
    }
}

#[test]
fn each_broken_variant_fits_one_place_of_the_code() {
    let variants = variants();
    assert!(variants.len() >= VARIANTS_MIN, "only {}", variants.len());
    for variant in &variants {
        assert!(!variant.hunks.is_empty(), "{} changes nothing", variant.name);
        for hunk in &variant.hunks {
            let (name, file) = (&variant.name, hunk.file.display());
            assert_eq!(hunk.places(), 1, "{name} does not fit {file} any more");
        }
    }
}

#[test]
fn the_test_that_catches_a_broken_variant_is_there() {
    for variant in variants() {
        let name = &variant.name;
        let words: Vec<&str> = variant.command.split(' ').collect();
        let ["cargo", "test", "-p", package, "--lib", path] = words[..] else {
            panic!("{name}: {} is not `cargo test -p CRATE --lib TEST`", variant.command)
        };
        // A test over both engines of the index is a module of two.
        let path = path.strip_suffix("::sled").unwrap_or(path);
        let (module, test) = path.rsplit_once("::").expect("a test in a module");
        // `a::b::tests` is in `a/b.rs` or `a/b/tests.rs`.
        let source = root().join(package).join("src");
        let below = module.replace("::", "/");
        let above = below.strip_suffix("/tests").unwrap_or(&below);
        let files = [source.join(format!("{below}.rs")), source.join(format!("{above}.rs"))];
        let declares = |file: &PathBuf| {
            fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {test}(")))
        };
        assert!(files.iter().any(declares), "{name}: there is no {path}");
    }
}

#[test]
fn each_broken_variant_has_its_row_in_the_guide() {
    let guide = fs::read_to_string(root().join("CONTRIBUTING.md")).expect("the guide");
    let is_row = |line: &&str| line.starts_with("| `") && line.contains(" | `cargo test -p ");
    let rows: Vec<&str> = guide.lines().filter(is_row).collect();
    let variants = variants();
    for Variant { name, broken, rule, command, .. } in &variants {
        let row = format!("| `{name}` | {broken} | {rule} | `{command}` |");
        assert!(rows.contains(&row.as_str()), "missing in CONTRIBUTING.md:\n{row}");
    }
    assert_eq!(rows.len(), variants.len(), "rows of variants that are gone");
}
