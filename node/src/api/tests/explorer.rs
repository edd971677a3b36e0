//! Tests of the explorer's files: what is told of them, and that the page needs nothing else.
//! What the page does is tested in a browser, by `testnet/browser`.

use super::super::explorer::tests::texts;
use super::server::start;
use std::collections::BTreeSet;

/// Lines of one of the page's own files; the rule of the house.
const LINES_MAX: usize = 400;

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/explorer")
}

#[test]
fn every_file_is_served_with_its_type_and_policy_and_not_twice() {
    let server = start(1);
    for (name, text) in texts() {
        let path = if name == "index.html" { "/".into() } else { format!("/explorer/{name}") };
        let got = server.get(&path);
        assert_eq!((got.status, got.body.as_slice()), (200, text.as_bytes()), "{path}");
        let kind = match name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        };
        let kind = format!("content-type: {kind}");
        for wanted in [
            kind.as_str(),
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; ",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-cache",
        ] {
            assert!(got.head.contains(wanted), "{path}: {wanted}: {}", got.head);
        }
        let tag = got.head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag");
        let known = format!("if-none-match: {}\r\n", tag.trim());
        let again = server.ask("GET", &path, &known, b"");
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert!(again.head.contains(tag.trim()), "{}", again.head);
        let other = server.ask("GET", &path, "if-none-match: \"other\"\r\n", b"");
        assert_eq!((other.status, other.body.len()), (200, text.len()), "{path}");
    }
}

#[test]
fn only_exact_names_are_files() {
    let server = start(1);
    for path in [
        "/explorer",
        "/explorer/",
        "/explorer/index.html",
        "/explorer/MAIN.JS",
        "/explorer/main.js/",
        "/explorer/../main.js",
        "/explorer/..%2f..%2fCargo.toml",
        "/explorer/%2e%2e",
        "/explorer.css",
        "/main.js",
    ] {
        server.get(path).is_problem(404, "not_found");
    }
}

#[test]
fn every_file_of_the_folder_is_embedded() {
    let embedded: BTreeSet<String> = texts().map(|(name, _)| name.to_string()).collect();
    let found = std::fs::read_dir(folder()).expect("the folder");
    let there: BTreeSet<String> = found
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    assert_eq!(embedded, there);
}

/// What a text names as a file: all that stands between `before` and the next quote.
fn named<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next())
}

#[test]
fn the_page_names_its_own_files_only_and_nothing_inline() {
    let names: BTreeSet<&str> = texts().map(|(name, _)| name).collect();
    let (mut used, mut imports) = (BTreeSet::new(), 0);
    for (name, text) in texts().filter(|(name, _)| !name.starts_with("uplot")) {
        for file in named(text, "\"/explorer/") {
            assert!(names.contains(file), "{name} names {file}");
            used.insert(file);
        }
        for file in named(text, " from \"./").chain(named(text, " import(\"./")) {
            assert!(names.contains(file), "{name} imports {file}");
            used.insert(file);
            imports += 1;
        }
        let markup = [" style=\"", "<style", " onclick=\"", "innerHTML", "insertAdjacentHTML"];
        for inline in markup {
            assert!(!text.contains(inline), "{name} has {inline}");
        }
        for far in ["http://", "https://"] {
            let is_name = |rest: &str| rest.starts_with("www.w3.org/2000/svg");
            assert!(text.split(far).skip(1).all(is_name), "{name} names {far}");
        }
    }
    assert!(imports > 20, "{imports}");
    let unused: Vec<_> = names.difference(&used).collect();
    assert_eq!(unused, [&"index.html", &"uplot.LICENSE"]);
}

#[test]
fn scripts_and_styles_stay_short() {
    for (name, text) in texts().filter(|(name, _)| !name.starts_with("uplot")) {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{name} has {lines} lines");
    }
}

#[test]
fn the_page_says_something_without_a_script() {
    let page = String::from_utf8(start(1).get("/").body).expect("text");
    let words = page.split("<noscript>").nth(1).and_then(|rest| rest.split("</noscript>").next());
    let words = words.expect("words for browsers that run no script");
    for path in ["/v1/node", "/v1/validators", "/v1/batches", "/openapi.json"] {
        assert!(words.contains(&format!("href=\"{path}\"")), "{path}");
    }
}
