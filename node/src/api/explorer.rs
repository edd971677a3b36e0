//! `GET /` and `GET /explorer/{file}`: the explorer, a page for people. Its files stand in
//! `explorer/` and are part of the program; they read the same documents as everybody. Nothing is
//! made here: the node tells its files' bytes, and the browser to load nothing from elsewhere.
//!
//! [`Explorer`] is the same for who serves the page elsewhere, with a mark of its own in it.

use super::Answered;
use super::answer::{bytes, no_such_route};
use super::input::In;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use bytes::Bytes;
use std::sync::LazyLock;

/// Nothing inline, nothing from elsewhere, no forms, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// The page's own name among the files.
const PAGE: &str = "index.html";

/// A list of files of one type, by their names in `explorer/`.
macro_rules! files {
    ($kind:expr; $($name:literal),+ $(,)?) => {
        &[$(($name, $kind, include_bytes!(concat!("explorer/", $name)).as_slice())),+]
    };
}

/// Name, type, bytes.
type Embedded = (&'static str, &'static str, &'static [u8]);

/// Every file, by type.
const FILES: &[&[Embedded]] = &[
    files!(HTML; "index.html"),
    files!(STYLE; "explorer.css", "uplot.css"),
    files!(PICTURE; "icon.svg"),
    files!(TEXT; "uplot.LICENSE"),
    files!(SCRIPT;
        "address.js",
        "api.js",
        "canonical.js",
        "chain.js",
        "charts.js",
        "dom.js",
        "format.js",
        "links.js",
        "lookups.js",
        "main.js",
        "node_state.js",
        "proof.js",
        "ring.js",
        "router.js",
        "rules.js",
        "search.js",
        "state.js",
        "stream.js",
        "testnet.js",
        "testnet_panels.js",
        "uplot.js",
        "verify.js",
        "view_account.js",
        "view_api.js",
        "view_asset.js",
        "view_batch.js",
        "view_evidence.js",
        "view_overview.js",
        "view_pay.js",
        "view_testnet.js",
        "view_token.js",
        "view_transfer.js",
        "votes.js",
        "waterfall.js",
        "windows.js",
    ),
];

/// A file with what is told of it.
struct File {
    name: &'static str,
    kind: &'static str,
    bytes: Bytes,
    /// Half of the content's sha2-256, in quotes: other bytes have another.
    tag: HeaderValue,
}

/// Every file with its tag; hashed once.
static TAGGED: LazyLock<Vec<File>> = LazyLock::new(|| {
    let all = FILES.iter().copied().flatten();
    all.map(|&(name, kind, bytes)| File::new(name, kind, Bytes::from_static(bytes))).collect()
});

impl File {
    fn new(name: &'static str, kind: &'static str, bytes: Bytes) -> Self {
        let digest = ledger::hash::hash_untagged(&bytes);
        let tag = format!("\"{}\"", hex::encode(&digest.0[..16]));
        let tag = HeaderValue::try_from(tag).expect("hexadecimal digits make a header");
        Self { name, kind, bytes, tag }
    }
}

/// The explorer for who serves it elsewhere.
pub struct Explorer {
    page: File,
}

impl Explorer {
    /// The explorer whose page has `mark`, an element, at the end of its head: the page's scripts
    /// show by it what this server can do beyond a node.
    pub fn marked(mark: &str) -> Self {
        let page = find(PAGE).expect("the page is among the files");
        let text = std::str::from_utf8(&page.bytes).expect("the page is text");
        let text = text.replacen("</head>", &format!("{mark}\n</head>"), 1);
        Self { page: File::new(page.name, page.kind, text.into()) }
    }

    /// The page.
    pub fn page(&self, headers: &HeaderMap) -> Response {
        tell(&self.page, headers)
    }

    /// One of the page's files, by its exact name; `None` for a name that none has.
    pub fn file(&self, name: &str, headers: &HeaderMap) -> Option<Response> {
        find(name).filter(|file| file.name != PAGE).map(|file| tell(file, headers))
    }
}

/// The page.
pub(super) async fn page(headers: HeaderMap) -> Answered {
    let page = find(PAGE).expect("the page is among the files");
    Ok(tell(page, &headers))
}

/// One of the page's files, by its exact name.
pub(super) async fn file(In(name): In<String>, uri: Uri, headers: HeaderMap) -> Answered {
    match find(&name).filter(|file| file.name != PAGE) {
        Some(file) => Ok(tell(file, &headers)),
        None => Err(no_such_route(uri).await),
    }
}

fn find(name: &str) -> Option<&'static File> {
    TAGGED.iter().find(|file| file.name == name)
}

/// The file, or that it is the one that the browser has already. A browser asks each time: a node
/// of another version has other files under the same names.
fn tell(file: &File, headers: &HeaderMap) -> Response {
    let mut response = if is_known(&file.tag, headers) {
        bytes(StatusCode::NOT_MODIFIED, file.kind, Body::empty())
    } else {
        bytes(StatusCode::OK, file.kind, file.bytes.clone())
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(ETAG, file.tag.clone());
    response
}

/// Whether `If-None-Match` names the tag, among others or weakly (RFC 9110, section 13.1.2).
fn is_known(tag: &HeaderValue, headers: &HeaderMap) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes()
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Names and texts of all files.
    pub(in crate::api) fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
        TAGGED.iter().map(|file| (file.name, std::str::from_utf8(&file.bytes).expect("text")))
    }

    #[test]
    fn a_marked_page_has_its_mark_once_and_a_tag_of_its_own() {
        let mark = "<meta name=\"x\">";
        let marked = Explorer::marked(mark).page;
        let plain = find(PAGE).expect("the page");
        let text = std::str::from_utf8(&marked.bytes).expect("text");
        assert_eq!(text.matches(mark).count(), 1);
        assert!(text.split("</head>").next().is_some_and(|head| head.contains(mark)));
        assert_eq!(marked.bytes.len(), plain.bytes.len() + mark.len() + 1);
        assert_ne!(marked.tag, plain.tag);
    }

    #[test]
    fn a_tag_is_known_alone_in_a_list_or_weakly() {
        let tag = HeaderValue::from_static("\"ab\"");
        for (list, is_same) in [
            ("\"ab\"", true),
            ("\"xy\", \"ab\"", true),
            ("W/\"ab\"", true),
            ("*", true),
            ("\"abc\"", false),
            ("ab", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, list.parse().expect("a header"));
            assert_eq!(is_known(&tag, &headers), is_same, "{list}");
        }
        assert!(!is_known(&tag, &HeaderMap::new()));
    }
}
