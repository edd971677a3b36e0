//! The file that says where the members are: `name = "host:port"` lines of TOML. It is no part of
//! genesis, so an address may change; it is read again when it changes.

use crate::handle::{PeerView, Shared};
use crate::transport::Transport;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Every how many looks host names are resolved again although the file is the same.
const RESOLVE_LOOKS: u32 = 300;

/// The file and what was last read from it.
pub struct PeersFile {
    path: PathBuf,
    text: String,
}

impl PeersFile {
    /// A file that may not be there yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), text: String::new() }
    }

    /// Follows the file for ever and tells the transport where the members are.
    pub async fn follow(mut self, transport: Arc<Transport>, shared: Arc<Shared>) {
        let mut looks = tokio::time::interval(LOOK);
        let mut count: u32 = 0;
        loop {
            looks.tick().await;
            count = count.wrapping_add(1);
            let Ok(text) = tokio::fs::read_to_string(&self.path).await else { continue };
            if text == self.text && !count.is_multiple_of(RESOLVE_LOOKS) {
                continue;
            }
            match parse(&text) {
                Ok(places) => set(&places, &transport, &shared).await,
                Err(error) if text != self.text => {
                    let path = self.path.display();
                    tracing::error!(%path, %error, "the file of peers can't be used");
                }
                Err(_) => {}
            }
            self.text = text;
        }
    }
}

/// The members' places by name.
///
/// # Errors
/// Text that is no such TOML.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, toml::de::Error> {
    toml::from_str(text)
}

async fn set(places: &BTreeMap<String, String>, transport: &Transport, shared: &Shared) {
    for (name, place) in places {
        let members = (0u16..).zip(shared.network.committee.members());
        let known = members.into_iter().find(|(_, member)| member.name.as_str() == name);
        let Some((index, _)) = known else {
            tracing::warn!(name, "the file of peers names somebody who is no member");
            continue;
        };
        if index == shared.member {
            continue;
        }
        let address_of = |peers: &[PeerView]| peers.iter().find(|p| p.member == index)?.address;
        let known = address_of(&shared.peers.read());
        match resolve(place, known).await {
            Some(address) => {
                transport.set_address(index, address);
                let mut peers = shared.peers.write();
                if let Some(peer) = peers.iter_mut().find(|peer| peer.member == index) {
                    peer.address = Some(address);
                }
            }
            None => tracing::warn!(name, place, "a peer's address can't be resolved"),
        }
    }
}

/// An address of `place`: the known one while the name still has it, because a link moves when its
/// address changes, and names with several addresses tell them in changing order.
async fn resolve(place: &str, known: Option<SocketAddr>) -> Option<SocketAddr> {
    if let Ok(address) = place.parse() {
        return Some(address);
    }
    let found: Vec<SocketAddr> = tokio::net::lookup_host(place).await.ok()?.collect();
    known.filter(|known| found.contains(known)).or(found.first().copied())
}
