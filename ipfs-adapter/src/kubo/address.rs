//! Where a daemon may be: plain HTTP on this machine, or on a host that was named on purpose.
//!
//! Whoever reaches the RPC port administers the daemon, and what goes there is neither encrypted
//! nor signed; so another machine is never an accident of the configuration.

use reqwest::Url;

use crate::IpfsError;

/// The address that all calls are under, ending in `/api/v0/`.
pub(super) fn parse(text: &str, hosts_allowed: &[String]) -> Result<Url, IpfsError> {
    let refuse = |reason| IpfsError::Address { url: text.into(), reason };
    let url = Url::parse(text).map_err(|_| refuse("not an address like http://127.0.0.1:5001"))?;
    match url.scheme() {
        "http" => {}
        "https" => return Err(refuse("no TLS is built in; a daemon is reached by plain http")),
        _ => return Err(refuse("not http")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("a user or password is not passed on"));
    }
    if url.query().is_some() || url.fragment().is_some() || url.path() != "/" {
        return Err(refuse("only scheme, host and port are expected"));
    }
    let host = url.host_str().ok_or_else(|| refuse("without a host"))?;
    if !is_loopback(host) && !hosts_allowed.iter().any(|allowed| allowed == host) {
        return Err(refuse("not on this machine and not among the allowed hosts"));
    }
    url.join("api/v0/").map_err(|_| refuse("not a base for calls"))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_address = bare.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    is_address || host == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_named_hosts_are_taken() {
        let check = |text: &str| {
            let url = parse(text, &["daemon.lan".into()]).expect("an allowed address");
            assert!(url.as_str().ends_with("/api/v0/"), "{url}");
        };
        check("http://127.0.0.1:5001");
        check("http://127.9.9.9:5001/");
        check("http://[::1]:5001");
        check("http://localhost:5001");
        check("http://daemon.lan:5001");
    }

    #[test]
    fn other_addresses_are_refused_with_the_reason() {
        let check = |text: &str, wanted: &str| match parse(text, &["daemon.lan".into()]) {
            Err(IpfsError::Address { url, reason }) => {
                assert_eq!(url, text);
                assert!(reason.contains(wanted), "{text}: {reason}");
            }
            other => panic!("{text} gave {other:?}"),
        };
        check("", "not an address");
        check("127.0.0.1:5001", "not an address");
        check("/ip4/127.0.0.1/tcp/5001", "not an address");
        check("https://127.0.0.1:5001", "no TLS");
        check("ftp://127.0.0.1", "not http");
        check("http://10.0.0.1:5001", "not on this machine");
        check("http://localhost.example:5001", "not on this machine");
        check("http://me:secret@127.0.0.1:5001", "password");
        check("http://127.0.0.1:5001/api/v0", "only scheme");
        check("http://127.0.0.1:5001/?x=1", "only scheme");
    }
}
