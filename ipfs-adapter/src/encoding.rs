//! The bytes of a provider: the one piece that the batched protocol and the records' log share, and
//! the strict reader that both decode with. It knows neither frames nor chunks.
//!
//! ```text
//! provider   u8 length, peer id │ addresses
//! addresses  u8 count, then each: u8 length, multiaddr in binary form
//! key        32 bytes, the sha2-256 digest
//! ```

use libp2p::{Multiaddr, PeerId};

use crate::{ContentId, Provider};

/// The most addresses that are kept and sent of one peer; further ones are left out. A machine has
/// two or three, in two transports each.
pub const ADDRESSES_MAX: usize = 8;
/// The longest address in bytes; longer ones are left out. A relayed QUIC address with both peer
/// ids has about 100.
pub const ADDRESS_BYTES_MAX: usize = 128;
/// The longest peer id in bytes. ed25519 has 38, hashed RSA keys have 34 (libp2p's specification).
pub const PEER_ID_BYTES_MAX: usize = 64;

/// What addresses take at most.
pub(crate) const ADDRESSES_BYTES_MAX: usize = 1 + ADDRESSES_MAX * (1 + ADDRESS_BYTES_MAX);
/// What a provider takes at most.
pub(crate) const PROVIDER_BYTES_MAX: usize = 1 + PEER_ID_BYTES_MAX + ADDRESSES_BYTES_MAX;
/// What a key takes.
pub(crate) const KEY_BYTES: usize = 32;

const _: () = assert!(ADDRESS_BYTES_MAX <= 255 && PEER_ID_BYTES_MAX <= 255, "lengths are u8");

/// The addresses that are within the limits, in their order, each once.
pub(crate) fn bounded(addresses: &[Multiaddr]) -> Vec<Multiaddr> {
    let mut kept: Vec<Multiaddr> = Vec::new();
    for address in addresses {
        let is_sound = !address.is_empty() && address.len() <= ADDRESS_BYTES_MAX;
        if is_sound && kept.len() < ADDRESSES_MAX && !kept.contains(address) {
            kept.push(address.clone());
        }
    }
    kept
}

pub(crate) fn put_provider(out: &mut Vec<u8>, provider: &Provider) {
    put_short(out, &provider.peer.to_bytes());
    put_addresses(out, &provider.addresses);
}

/// Addresses over the limits are left out.
pub(crate) fn put_addresses(out: &mut Vec<u8>, addresses: &[Multiaddr]) {
    let addresses = bounded(addresses);
    out.push(u8::try_from(addresses.len()).expect("at most ADDRESSES_MAX are left"));
    addresses.iter().for_each(|address| put_short(out, address.as_ref()));
}

pub(crate) fn put_keys(out: &mut Vec<u8>, keys: &[ContentId]) {
    keys.iter().for_each(|key| out.extend_from_slice(key.digest()));
}

fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(u8::try_from(bytes.len()).expect("a peer id or a bounded address is short"));
    out.extend_from_slice(bytes);
}

/// Reads from the front; `None` as soon as something is short, over a limit, or not canonical.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*front)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Big-endian, as everything here.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Nothing is allocated before it is known that so many bytes are there.
    pub fn keys(&mut self, count: usize) -> Option<Vec<ContentId>> {
        let bytes = self.bytes(count.checked_mul(KEY_BYTES)?)?;
        let (keys, _none) = bytes.as_chunks::<KEY_BYTES>();
        Some(keys.iter().map(|key| ContentId::from_digest(*key)).collect())
    }

    pub fn provider(&mut self) -> Option<Provider> {
        let id = self.short(PEER_ID_BYTES_MAX)?;
        let peer = PeerId::from_bytes(id).ok().filter(|peer| peer.to_bytes() == id)?;
        Some(Provider { peer, addresses: self.addresses()? })
    }

    /// At most [`ADDRESSES_MAX`], none twice: what [`put_addresses`] writes and nothing else.
    pub fn addresses(&mut self) -> Option<Vec<Multiaddr>> {
        let count = usize::from(self.u8()?);
        let mut addresses: Vec<Multiaddr> = Vec::new();
        for _ in 0..Some(count).filter(|count| *count <= ADDRESSES_MAX)? {
            let bytes = self.short(ADDRESS_BYTES_MAX)?;
            let address = Multiaddr::try_from(bytes.to_vec()).ok()?;
            if bytes.is_empty() || address.as_ref() != bytes || addresses.contains(&address) {
                return None;
            }
            addresses.push(address);
        }
        Some(addresses)
    }

    fn short(&mut self, bytes_max: usize) -> Option<&'a [u8]> {
        let count = usize::from(self.u8()?);
        if count > bytes_max { None } else { self.bytes(count) }
    }
}
