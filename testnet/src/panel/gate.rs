//! What every request passes first. A web page from elsewhere must neither read nor do anything
//! here: it could kill validators and pay from accounts.
//!
//! A page whose name was pointed at 127.0.0.1 (DNS rebinding) comes with its own name as Host. A
//! page that makes its visitor's browser send something comes with its Origin, or with what
//! `Sec-Fetch-Site` says. Programs send neither. Only the page itself may be asked for from
//! elsewhere: by a link.

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use node::Failure;
use node::api::Problem;
use node::error::{BAD_HOST, BAD_ORIGIN};

/// The port of `http` where none is named (RFC 9110, section 4.2.1).
const PORT_DEFAULT: u16 = 80;

/// Lets a request to the panel at this port pass, or refuses it.
pub(super) async fn pass(State(port): State<u16>, request: Request, next: Next) -> Response {
    if !is_ours(request.headers(), port) {
        let what = "the Host header names another host than this panel; nothing was done";
        let failure = Failure::new(BAD_HOST, what);
        return Problem(failure.help(format!("use http://127.0.0.1:{port}/"))).into_response();
    }
    let is_page = *request.method() == Method::GET && request.uri().path() == "/";
    if has_foreign_origin(request.headers()) || (!is_page && is_cross_site(request.headers())) {
        let what = "a web page of another origin asks for this; nothing was done";
        let failure = Failure::new(BAD_ORIGIN, what);
        let help = "use the panel's own page, or a program: those send no Origin";
        return Problem(failure.help(help)).into_response();
    }
    next.run(request).await
}

/// Whether the one Host header names this machine by a loopback name, and this port.
fn is_ours(headers: &HeaderMap, port: u16) -> bool {
    let mut all = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (all.next(), all.next()) else { return false };
    let Some(authority) = host.to_str().ok().and_then(|text| text.parse::<Authority>().ok()) else {
        return false;
    };
    let rest = &authority.as_str()[authority.host().len().min(authority.as_str().len())..];
    let is_plain = authority.as_str().starts_with(authority.host()) && !rest.contains('@');
    let is_port = match authority.port_u16() {
        Some(named) => named == port && rest.len() > 1,
        None => rest.is_empty() && port == PORT_DEFAULT,
    };
    let is_loopback =
        authority.host() == "127.0.0.1" || authority.host().eq_ignore_ascii_case("localhost");
    is_plain && is_port && is_loopback
}

/// Whether an Origin is another than the host that is asked, which is known to be this panel.
fn has_foreign_origin(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_own = |origin: &str| {
        origin.strip_prefix("http://").is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    };
    let origins = headers.get_all(header::ORIGIN).iter();
    origins.into_iter().any(|origin| !origin.to_str().is_ok_and(is_own))
}

/// Whether a browser says that the request is another site's. Another port of this machine is the
/// same site and another origin.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let sites = headers.get_all("sec-fetch-site").iter();
    sites.into_iter().any(|site| site != "same-origin" && site != "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &[&str], port: u16, expected: bool) {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().expect("a header"));
        }
        assert_eq!(is_ours(&headers, port), expected, "{hosts:?}");
    }

    #[test]
    fn only_a_loopback_name_with_the_panels_port_passes() {
        for host in ["127.0.0.1:81", "localhost:81", "LocalHost:81"] {
            check(&[host], 81, true);
        }
        check(&["127.0.0.1"], 80, true);
        for host in [
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:82",
            "127.0.0.1:081x",
            "127.9.9.9:81",
            "0.0.0.0:81",
            "[::1]:81",
            "evil.example:81",
            "evil.example",
            "localhost.evil:81",
            "127.0.0.1.evil.example:81",
            "user@localhost:81",
            "localhost:81@evil:81",
            "",
            "a b",
        ] {
            check(&[host], 81, false);
        }
        check(&[], 81, false);
        check(&["localhost:81", "localhost:81"], 81, false);
    }

    #[test]
    fn only_the_panels_own_page_and_programs_may_ask() {
        let with = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::HOST, "127.0.0.1:81".parse().expect("a header"));
            headers.append(name, value.parse().expect("a header"));
            headers
        };
        assert!(!has_foreign_origin(&with("origin", "http://127.0.0.1:81")));
        for origin in [
            "http://evil.example",
            "https://127.0.0.1:81",
            "http://127.0.0.1:82",
            "http://localhost:81",
            "127.0.0.1:81",
            "null",
            "",
        ] {
            assert!(has_foreign_origin(&with("origin", origin)), "{origin}");
        }
        let mut twice = with("origin", "http://127.0.0.1:81");
        twice.append(header::ORIGIN, "http://evil.example".parse().expect("a header"));
        assert!(has_foreign_origin(&twice));
        for (site, expected) in
            [("same-origin", false), ("none", false), ("same-site", true), ("cross-site", true)]
        {
            assert_eq!(is_cross_site(&with("sec-fetch-site", site)), expected, "{site}");
        }
        let mut program = HeaderMap::new();
        program.append(header::HOST, "127.0.0.1:81".parse().expect("a header"));
        assert!(!has_foreign_origin(&program) && !is_cross_site(&program));
    }
}
