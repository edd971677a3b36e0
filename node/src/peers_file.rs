//! The file that says where the members are: `name = "host:port"` lines of TOML. It is no part of
//! genesis, so an address may change; it is read again when it changes.

use crate::handle::{PeerView, Shared};
use crate::transport::Transport;
use std::collections::BTreeMap;
use std::io;
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
    /// Its text at the last look, or why it could not be read.
    known: Result<String, String>,
}

impl PeersFile {
    /// A file that may not be there yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), known: Ok(String::new()) }
    }

    /// Follows the file for ever and tells the transport where the members are.
    pub async fn follow(mut self, transport: Arc<Transport>, shared: Arc<Shared>) {
        let mut looks = tokio::time::interval(LOOK);
        let mut count: u32 = 0;
        loop {
            looks.tick().await;
            count = count.wrapping_add(1);
            let bytes = tokio::fs::read(&self.path).await;
            match self.look(bytes, count.is_multiple_of(RESOLVE_LOOKS)) {
                Some(Ok(places)) => set(&places, &transport, &shared).await,
                Some(Err(error)) => {
                    let path = self.path.display();
                    tracing::error!(%path, %error, "the file of peers can't be used");
                }
                None => {}
            }
        }
    }

    /// What the bytes that were just read say; `None` when they say what they said before, or the
    /// file is not there. `is_again`: also when it is the same.
    fn look(&mut self, bytes: io::Result<Vec<u8>>, is_again: bool) -> Option<Look> {
        let text = match bytes {
            Ok(bytes) => String::from_utf8(bytes).map_err(|error| error.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
        };
        let is_known = text == self.known;
        if is_known && !is_again {
            return None;
        }
        let parsed = text.clone().and_then(|text| parse(&text).map_err(|error| error.to_string()));
        self.known = text;
        if is_known { parsed.ok().map(Ok) } else { Some(parsed) }
    }
}

/// What a look has found: where the members are, or why that can't be told.
type Look = Result<BTreeMap<String, String>, String>;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_peers_that_is_no_text_is_told_once_and_not_passed_over() {
        let mut file = PeersFile::new(Path::new("peers.toml"));
        let good = b"v0 = \"127.0.0.1:1\"\n".to_vec();
        assert_eq!(file.look(Err(io::ErrorKind::NotFound.into()), false), None);
        let places = file.look(Ok(good.clone()), false).expect("new").expect("good");
        assert_eq!(places["v0"], "127.0.0.1:1");
        assert_eq!(file.look(Ok(good.clone()), false), None, "it is known");
        assert!(file.look(Ok(good.clone()), true).is_some_and(|look| look.is_ok()));
        for bit in [7, 0] {
            let mut flipped = good.clone();
            flipped[0] ^= 1 << bit;
            flipped[3] ^= 1 << bit;
            let told = file.look(Ok(flipped.clone()), false);
            assert!(told.is_some_and(|look| look.is_err()), "bit {bit} is told");
            assert_eq!(file.look(Ok(flipped), true), None, "and only once");
        }
        assert!(file.look(Ok(good), false).is_some(), "it is good again");
        let denied = || Err(io::ErrorKind::PermissionDenied.into());
        assert!(file.look(denied(), false).is_some_and(|look| look.is_err()));
        assert_eq!(file.look(denied(), false), None, "told once");
    }
}
