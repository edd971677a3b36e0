//! The peers behind the records: each once, with a small number that stands for it in the rows, its
//! addresses, and how many records it has. A peer without records is forgotten.

use std::collections::HashMap;

use libp2p::{Multiaddr, PeerId};

use crate::{
    Provider,
    encoding::{PEER_ID_BYTES_MAX, bounded},
};

/// The most peers that have records here; further ones are refused. At 1.1 KB (eight long
/// addresses) they take 9 MB at most, usually 2 MB.
pub const PEERS_MAX: usize = 8_192;

#[derive(Default)]
pub(super) struct Peers {
    numbers: HashMap<PeerId, u32>,
    entries: Vec<Option<Entry>>,
    /// The numbers of the empty entries.
    free: Vec<u32>,
}

struct Entry {
    provider: Provider,
    /// Always the count of the slots that bear this number. Written by `hold` and `release`.
    records: usize,
}

/// What [`Peers::intern`] found.
#[derive(Clone, Copy)]
pub(super) struct Interned {
    pub number: u32,
    /// Whether its addresses are others than before.
    pub is_changed: bool,
}

impl Peers {
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    pub fn number(&self, peer: &PeerId) -> Option<u32> {
        self.numbers.get(peer).copied()
    }

    /// The peer's number, given now if need be; no addresses leave those that are known. `None`
    /// when there are as many peers as may be. Call [`Peers::forget_unused`] afterwards.
    pub fn intern(&mut self, peer: PeerId, addresses: &[Multiaddr]) -> Option<Interned> {
        let addresses = bounded(addresses);
        if let Some(number) = self.number(&peer) {
            let held = &mut self.entry_mut(number).provider.addresses;
            let is_changed = !addresses.is_empty() && *held != addresses;
            if is_changed {
                *held = addresses;
            }
            return Some(Interned { number, is_changed });
        }
        if self.len() >= PEERS_MAX || peer.to_bytes().len() > PEER_ID_BYTES_MAX {
            return None;
        }
        let entry = Some(Entry { provider: Provider { peer, addresses }, records: 0 });
        let number = match self.free.pop() {
            Some(number) => {
                self.entries[index(number)] = entry;
                number
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).expect("there are at most PEERS_MAX")
            }
        };
        self.numbers.insert(peer, number);
        Some(Interned { number, is_changed: false })
    }

    pub fn forget_unused(&mut self, number: u32) {
        if self.records(number) == 0 {
            let entry = self.entries[index(number)].take().expect("a number that is in use");
            self.numbers.remove(&entry.provider.peer);
            self.free.push(number);
        }
    }

    pub fn hold(&mut self, number: u32) {
        self.entry_mut(number).records += 1;
    }

    /// One record less. The last one takes the peer with it, unless it is `kept`.
    pub fn release(&mut self, number: u32, kept: Option<u32>) {
        self.entry_mut(number).records -= 1;
        if kept != Some(number) {
            self.forget_unused(number);
        }
    }

    pub fn records(&self, number: u32) -> usize {
        self.entry(number).records
    }

    pub fn provider(&self, number: u32) -> &Provider {
        &self.entry(number).provider
    }

    fn entry(&self, number: u32) -> &Entry {
        self.entries[index(number)].as_ref().expect("a number that is in use")
    }

    fn entry_mut(&mut self, number: u32) -> &mut Entry {
        self.entries[index(number)].as_mut().expect("a number that is in use")
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).expect("32 bits fit into usize")
}
