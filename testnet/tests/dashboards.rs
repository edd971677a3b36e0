//! Metrics have one list of names, the code's: the dashboard, the alert rules and the book name no
//! other, the book explains all of them, and every alert has a place in the book that says what to
//! do. Nothing is started: names are read where they are registered.

use node::metrics::Metrics;
use std::collections::BTreeSet;
use std::path::Path;

/// Where validators' metrics are registered, `register("name", …`.
const REGISTERED: [&str; 2] = ["node/src/metrics.rs", "node/src/metrics/standing.rs"];
/// A table of them, `("name", "help", …`.
const TABLE: &str = "node/src/metrics/dht.rs";
/// Where wallet nodes' are written, `add("name", …`.
const WALLET: &str = "node/src/view/hosting.rs";
const BOOK: &str = "node/book/src/watching.md";
const RULES: &str = "node/packaging/prometheus/rules.yml";
const DASHBOARD: &str = "node/packaging/grafana/quorate.json";

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The words in quotes that stand right behind `before`, white space left out.
fn quoted_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
}

/// A name without what its kind puts behind it.
fn bare(name: &str) -> &str {
    let endings = ["_total", "_bucket", "_count", "_sum"];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// All metrics of the code, with their prefix and without endings.
fn known() -> BTreeSet<String> {
    let registered = REGISTERED.map(read);
    let (table, wallet) = (read(TABLE), read(WALLET));
    let names = registered.iter().flat_map(|text| quoted_after(text, ".register("));
    let names = names.chain(quoted_after(&table, "    (")).chain(quoted_after(&wallet, "add("));
    names.map(|name| format!("quorate_{name}")).collect()
}

/// The metrics that a text names, without endings.
fn named(text: &str) -> BTreeSet<String> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_of_name(letter));
    words.filter(|word| word.starts_with("quorate_")).map(|word| bare(word).to_string()).collect()
}

#[test]
fn the_list_is_that_of_a_node() {
    let text = Metrics::default().text();
    let shown = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let known = known();
    let mut count = 0;
    for name in shown {
        assert!(known.contains(name), "{name} is registered where this test does not look");
        count += 1;
    }
    // What has a label is shown once it has a value.
    assert!(count > 30 && count <= known.len(), "{count} of {}", known.len());
}

#[test]
fn dashboard_rules_and_book_name_metrics_that_there_are() {
    let known = known();
    for path in [BOOK, RULES, DASHBOARD] {
        let named = named(&read(path));
        let unknown: Vec<&String> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{path} names {unknown:?}");
        assert!(named.len() > 10, "{path} names next to nothing");
    }
}

#[test]
fn the_book_explains_every_metric() {
    let named = named(&read(BOOK));
    let known = known();
    let missing: Vec<&String> = known.difference(&named).collect();
    assert!(missing.is_empty(), "{BOOK} lacks {missing:?}");
}

#[test]
fn every_alert_has_its_place_in_the_book() {
    let (rules, book) = (read(RULES), read(BOOK));
    let mut count = 0;
    for (alert, rest) in rules
        .split("- alert: ")
        .skip(1)
        .map(|rule| rule.split_once('\n').expect("a rule has more lines"))
    {
        let heading = format!("\n### {alert}\n");
        assert!(book.contains(&heading), "{alert} is not in {BOOK}");
        let link = format!("{BOOK}#{}", alert.to_ascii_lowercase());
        assert!(rest.contains(&link), "{alert} has no link to {link}");
        count += 1;
    }
    assert!(count > 10, "{count} alerts");
    assert_eq!(book.matches("\n### Quorate").count(), count, "the book has others");
}
