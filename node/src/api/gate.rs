//! What every request passes first: its id, the Host header, the Origin, the number in flight, and
//! time.
//!
//! Two headers keep web pages away from a node on loopback. A page whose name was pointed at
//! 127.0.0.1 (DNS rebinding) comes with its own name as Host. A page that makes its visitor's
//! browser send something to the node can't read the answer, but what was done is done: so what
//! changes anything here, or makes this node look for content, is refused when a browser says that
//! another page wants it. Programs send neither header.

use super::answer::Problem;
use super::limits::{CONTENT_TIME_MAX, IN_FLIGHT_MAX, REQUEST_TIME_MAX};
use super::request_id::{REQUEST_ID, RequestId};
use crate::error::{BAD_HOST, BAD_ORIGIN, Failure, OUTCOME_UNKNOWN, OVERLOADED};
use crate::telemetry::Telemetry;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What the gate has to know.
#[derive(Clone)]
pub(super) struct Gate {
    /// Requests in flight; a request beyond is refused as overloaded.
    pub(super) in_flight: Arc<Semaphore>,
    /// Where the API listens.
    address: SocketAddr,
    /// Host header values that are accepted, too.
    hosts: Arc<Vec<String>>,
    /// Where requests are told.
    telemetry: Telemetry,
}

impl Gate {
    /// Of an API that listens there and is configured to go by these names, too.
    pub(super) fn new(address: SocketAddr, hosts: &[String], telemetry: Telemetry) -> Self {
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        Self { in_flight, address, hosts: Arc::new(hosts.to_vec()), telemetry }
    }
}

/// Names a request and lets it pass, or answers for its route.
pub(super) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let (method, uri, began) = (request.method().clone(), request.uri().clone(), Instant::now());
    let span = gate.telemetry.request(&request);
    let mut response = id.clone().scope(span.scope(admit(gate, request, next))).await;
    tracing::debug!(
        request = id.as_str(),
        %method,
        path = uri.path(),
        status = response.status().as_u16(),
        elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        "a request was answered"
    );
    span.end(response.status(), id.as_str());
    response.headers_mut().insert(REQUEST_ID, id.into_value());
    response
}

async fn admit(gate: Gate, request: Request, next: Next) -> Response {
    if !is_ours(request.headers(), gate.address, &gate.hosts) {
        let what = "the Host header names another host than this node; nothing was done";
        let help = "use the node's address, or list the name under api.hosts in its configuration";
        return Problem(Failure::new(BAD_HOST, what).help(help)).into_response();
    }
    if does_something(&request) && is_foreign(request.headers()) {
        let what = "a web page of another origin asks for this; nothing was done";
        let help = "use the node's own page, or a program: those send no Origin";
        return Problem(Failure::new(BAD_ORIGIN, what).help(help)).into_response();
    }
    // Whether the process is alive is answered under any load.
    let is_free = request.uri().path() == "/v1/health/live";
    let permit = gate.in_flight.try_acquire();
    if permit.is_err() && !is_free {
        let what = format!("{IN_FLIGHT_MAX} requests are in flight; nothing was done");
        let failure =
            Failure::new(OVERLOADED, what).help("send the same request again in a second");
        return Problem(failure).into_response();
    }
    match tokio::time::timeout(time_max(&request), next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let what = "the request took too long; what it sent may have been taken";
            let failure = Failure::new(OUTCOME_UNKNOWN, what);
            Problem(failure.help("send the same bytes again, which can't pay twice"))
                .into_response()
        }
    }
}

/// How long a request may take: files take longer than transfers.
fn time_max(request: &Request) -> Duration {
    let is_large =
        *request.method() != Method::GET && request.uri().path().starts_with("/v1/content");
    if is_large { CONTENT_TIME_MAX } else { REQUEST_TIME_MAX }
}

/// Whether a request may change something, or make this node look for content.
fn does_something(request: &Request) -> bool {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    !is_read || request.uri().path().starts_with("/v1/content")
}

/// Whether a browser says that a page of another origin than the host asked makes the request. Of
/// a browser that does not send `Sec-Fetch-Site` the Origin alone tells.
fn is_foreign(headers: &HeaderMap) -> bool {
    let sites = headers.get_all("sec-fetch-site").iter();
    if sites.into_iter().any(|site| site != "same-origin" && site != "none") {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_own = |origin: &str| {
        let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    };
    let origins = headers.get_all(header::ORIGIN).iter();
    origins.into_iter().any(|origin| !origin.to_str().is_ok_and(is_own))
}

/// Whether the one Host header names loopback, the listening address or a configured host.
fn is_ours(headers: &HeaderMap, listening: SocketAddr, hosts: &[String]) -> bool {
    let mut all = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (all.next(), all.next()) else { return false };
    let Ok(text) = host.to_str() else { return false };
    let Ok(authority) = text.parse::<Authority>() else { return false };
    let name = authority.host();
    if text.contains('@') || name.is_empty() {
        return false;
    }
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        let is_listening = !listening.ip().is_unspecified() && ip == listening.ip();
        if ip.is_loopback() || is_listening {
            return true;
        }
    }
    name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|h| h.eq_ignore_ascii_case(name) || h.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &[&str], expected: bool) {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().expect("a header"));
        }
        let configured = ["node.example".to_string(), "named:81".to_string()];
        let listening = SocketAddr::from(([10, 0, 0, 7], 80));
        assert_eq!(is_ours(&headers, listening, &configured), expected, "{hosts:?}");
    }

    #[test]
    fn only_loopback_the_listening_address_and_configured_names_pass() {
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:80", "127.9.9.9", "[::1]:8", "[::1]"] {
            check(&[host], true);
        }
        for host in ["10.0.0.7:80", "10.0.0.7", "node.example", "Node.Example:99", "named:81"] {
            check(&[host], true);
        }
        for host in ["evil.example", "10.0.0.8", "localhost.evil", "named:82", "named", "", "a b"] {
            check(&[host], false);
        }
        for host in ["127.0.0.1.evil.example", "user@localhost", "0.0.0.0", "::1", "1.2.3.4:80"] {
            check(&[host], host == "::1" && host.parse::<Authority>().is_ok());
        }
        check(&[], false);
        check(&["localhost", "localhost"], false);
    }

    fn check_origin(name: &'static str, value: &str, is_refused: bool) {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "127.0.0.1:80".parse().expect("a header"));
        headers.append(name, value.parse().expect("a header"));
        assert_eq!(is_foreign(&headers), is_refused, "{name}: {value}");
    }

    #[test]
    fn only_the_nodes_own_page_may_do_something() {
        for own in ["http://127.0.0.1:80", "https://127.0.0.1:80"] {
            check_origin("origin", own, false);
        }
        let foreign =
            ["http://evil.example", "null", "", "http://127.0.0.1:81", "http://localhost:80"];
        for origin in foreign.into_iter().chain(["127.0.0.1:80", "http://127.0.0.1:80/x"]) {
            check_origin("origin", origin, true);
        }
        for (site, is_refused) in
            [("same-origin", false), ("none", false), ("same-site", true), ("cross-site", true)]
        {
            check_origin("sec-fetch-site", site, is_refused);
        }
        let mut headers = HeaderMap::new();
        assert!(!is_foreign(&headers), "a program sends neither");
        headers.append(header::ORIGIN, "http://evil.example".parse().expect("a header"));
        headers.append(header::HOST, "evil.example".parse().expect("a header"));
        assert!(!is_foreign(&headers), "that name is the Host check's to refuse");
    }

    #[test]
    fn a_node_that_listens_everywhere_takes_no_address_for_its_own() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "0.0.0.0:80".parse().expect("a header"));
        assert!(!is_ours(&headers, SocketAddr::from(([0, 0, 0, 0], 80)), &[]));
    }
}
