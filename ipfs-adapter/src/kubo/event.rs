//! The events that a daemon streams while it looks something up in its DHT: libp2p's
//! `routing.QueryEvent` as JSON. The numbers are go-libp2p's (core/routing/query.go).

use reqwest::StatusCode;
use serde::Deserialize;

use super::answer::refusal;
use crate::{IpfsError, Multiaddr, PeerId, Provider};

/// A peer has answered.
pub(super) const REPLY: u64 = 1;
/// A peer has not, or, without a peer, the whole look-up has failed.
pub(super) const ERROR: u64 = 3;
/// Somebody provides the key.
pub(super) const PROVIDER: u64 = 4;

/// The most addresses of one provider that are kept; libp2p's peers announce a handful.
const ADDRESSES_MAX: usize = 16;

/// One line. Go writes an empty list as null.
#[derive(Deserialize)]
pub(super) struct Event {
    #[serde(rename = "Type")]
    pub(super) kind: u64,
    #[serde(rename = "ID")]
    peer: Option<String>,
    #[serde(rename = "Responses")]
    responses: Option<Vec<Response>>,
    #[serde(rename = "Extra")]
    extra: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    #[serde(rename = "ID")]
    id: String,
    addrs: Option<Vec<String>>,
}

impl Event {
    /// Whether it is about one peer, and not about the whole look-up.
    pub(super) fn is_about_a_peer(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| !peer.is_empty())
    }

    /// Why the look-up has failed.
    pub(super) fn into_error(self) -> IpfsError {
        refusal(StatusCode::OK, &self.extra.unwrap_or_default())
    }

    /// The providers that it names; those without a peer id that can be read are left out.
    pub(super) fn into_providers(self) -> impl Iterator<Item = Provider> {
        self.responses.into_iter().flatten().filter_map(|response| {
            let peer = response.id.parse().ok()?;
            Some(Provider { peer, addresses: addresses(peer, response.addrs.unwrap_or_default()) })
        })
    }
}

/// The addresses that can be read, without the peer's own id at the end.
pub(super) fn addresses(peer: PeerId, texts: Vec<String>) -> Vec<Multiaddr> {
    let parsed = texts.iter().filter_map(|text| text.parse::<Multiaddr>().ok());
    parsed
        .map(|address| match address.clone().with_p2p(peer) {
            // Ends in this peer already: cut.
            Ok(same) if same == address => {
                let mut bare = address;
                bare.pop();
                bare
            }
            _ => address,
        })
        .take(ADDRESSES_MAX)
        .collect()
}
