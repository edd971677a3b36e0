//! TLS and QUIC settings: what is switched on, and above all what is switched off.
//!
//! TLS 1.3 with certificates on both sides; no 0-RTT, no resumption, no server names, no address
//! migration, no QUIC datagrams. Nothing here decides who a peer is, see [`super::identity`].

use super::identity::{Admission, Expected, Identity, Verifier};
use super::limits::{
    INCOMING_BYTES_MAX, INCOMING_BYTES_TOTAL_MAX, INCOMING_MAX, LINK_WINDOW_BYTES,
    REQUESTS_PER_PEER_MAX, SEND_WINDOW_BYTES, STREAM_WINDOW_BYTES, UDP_PAYLOAD_BYTES_MAX,
};
use super::{PROTOCOL_VERSION, Timings, TransportError};
use ledger::key::Keypair;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{ConnectionId, ConnectionIdGenerator, VarInt};
use rustls::crypto::CryptoProvider;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// What QUIC wants as a server name; it is not sent.
pub(super) const SERVER_NAME: &str = "quorate";

/// The protocol offered in the handshake, `quorate/2`.
pub(super) fn alpn() -> Vec<u8> {
    format!("quorate/{PROTOCOL_VERSION}").into_bytes()
}

/// Ed25519 is ring's; X25519 and two ciphers are enough, AES first as both our CPUs and QUIC's
/// first packets use it.
fn provider() -> Arc<CryptoProvider> {
    use rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519],
        ..default_provider()
    })
}

/// Settings for being dialled, and the verifier that they use.
///
/// # Errors
/// [`TransportError::Tls`], which only a broken build gives.
pub(super) fn server(
    identity: &Identity,
    admission: Arc<Admission>,
    timings: &Timings,
) -> Result<(quinn::ServerConfig, Arc<Verifier>), TransportError> {
    server_speaking(identity, admission, timings, &alpn())
}

/// [`server`] with any protocol name: tests play older peers.
pub(super) fn server_speaking(
    identity: &Identity,
    admission: Arc<Admission>,
    timings: &Timings,
    protocol: &[u8],
) -> Result<(quinn::ServerConfig, Arc<Verifier>), TransportError> {
    let verifier = Arc::new(Verifier::new(admission, Expected::Lower));
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier.clone())
        .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())?;
    tls.alpn_protocols = vec![protocol.to_vec()];
    tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    tls.max_early_data_size = 0;
    let tls = QuicServerConfig::try_from(tls).expect("the initial cipher suite is in the provider");
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config
        .transport_config(Arc::new(quic(timings)))
        .migration(false)
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
    config.validation_token.sent(0);
    Ok((config, verifier))
}

/// Settings for dialling one member, and the verifier that they use.
///
/// # Errors
/// [`TransportError::Tls`], which only a broken build gives.
pub(super) fn client(
    identity: &Identity,
    admission: Arc<Admission>,
    member: u16,
    timings: &Timings,
) -> Result<(quinn::ClientConfig, Arc<Verifier>), TransportError> {
    client_speaking(identity, admission, member, timings, &alpn())
}

/// [`client`] with any protocol name: tests play older peers.
pub(super) fn client_speaking(
    identity: &Identity,
    admission: Arc<Admission>,
    member: u16,
    timings: &Timings,
    protocol: &[u8],
) -> Result<(quinn::ClientConfig, Arc<Verifier>), TransportError> {
    let verifier = Arc::new(Verifier::new(admission, Expected::Exactly(member)));
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_client_auth_cert(vec![identity.certificate.clone()], identity.key.clone_key())?;
    tls.alpn_protocols = vec![protocol.to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    tls.enable_sni = false;
    tls.enable_early_data = false;
    let tls = QuicClientConfig::try_from(tls).expect("the initial cipher suite is in the provider");
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(quic(timings))).token_store(Arc::new(quinn::NoneTokenStore));
    Ok((config, verifier))
}

/// Peers are asked not to acknowledge so many packets in a row by packets of their own: the next
/// vote carries it. With QUIC's every second packet an idle transfer cost a follower 0.8 datagrams
/// more. More than three would stall links whose window losses have made small.
const UNACKED_PACKETS_MAX: u32 = 3;
/// Nor for so long; the time is a part of when a packet counts as lost. QUIC's own is 25 ms.
const ACK_DELAY_MAX: Duration = Duration::from_millis(5);

fn quic(timings: &Timings) -> quinn::TransportConfig {
    let count = |bytes: usize| VarInt::try_from(bytes).expect("limits fit 62 bits");
    let mut probing = quinn::MtuDiscoveryConfig::default();
    probing.upper_bound(UDP_PAYLOAD_BYTES_MAX);
    let mut acks = quinn::AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(UNACKED_PACKETS_MAX));
    acks.max_ack_delay(Some(ACK_DELAY_MAX));
    let mut config = quinn::TransportConfig::default();
    config
        .ack_frequency_config(Some(acks))
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .max_concurrent_bidi_streams(count(REQUESTS_PER_PEER_MAX))
        .stream_receive_window(count(STREAM_WINDOW_BYTES))
        .receive_window(count(LINK_WINDOW_BYTES))
        .send_window(u64::try_from(SEND_WINDOW_BYTES).expect("limits fit 64 bits"))
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(Some(probing))
        .initial_rtt(timings.initial_rtt)
        .keep_alive_interval(Some(timings.keep_alive))
        .max_idle_timeout(Some(timings.idle.try_into().expect("an idle time fits 62 bits of ms")));
    config
}

/// Settings of the socket's endpoint. The reset key follows from the vote key, so that a restarted
/// node can tell its peers that the links of its former life are gone (RFC 9000, section 10.3.2);
/// otherwise they would notice after the idle time.
pub(super) fn endpoint(keypair: &Keypair) -> quinn::EndpointConfig {
    let secret = keypair.sign(b"\x1fquorate/1 transport reset token");
    let mut config =
        quinn::EndpointConfig::new(Arc::new(ResetKey(Sha256::digest(secret.0).into())));
    config.cid_generator(|| Box::new(RandomIds));
    if UDP_PAYLOAD_BYTES_MAX > 1472 {
        config.max_udp_payload_size(UDP_PAYLOAD_BYTES_MAX).expect("above QUIC's minimum of 1200");
    }
    config
}

/// HMAC with sha2-256 (RFC 2104) under a key of 32 bytes.
struct ResetKey([u8; 32]);

impl ResetKey {
    fn mac(&self, data: &[u8]) -> [u8; 32] {
        let padded = |with: u8| {
            let mut block = [with; 64];
            for (byte, key) in block.iter_mut().zip(self.0) {
                *byte ^= key;
            }
            block
        };
        let inner = Sha256::new().chain_update(padded(0x36)).chain_update(data).finalize();
        Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(&self.mac(data));
    }

    fn signature_len(&self) -> usize {
        32
    }

    /// quinn compares reset tokens itself, in constant time; nothing secret hangs on this one.
    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        if self.mac(data) == signature { Ok(()) } else { Err(CryptoError) }
    }
}

/// Connection ids of eight random bytes. quinn's default marks its ids with a key of the process
/// and stays silent about others', which would silence the resets after a restart.
struct RandomIds;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&rand::random::<[u8; 8]>())
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_is_named_with_its_version() {
        assert_eq!(alpn(), b"quorate/2");
    }

    #[test]
    fn the_reset_key_is_hmac_sha256() {
        // RFC 4231, test case 1, its key padded with zeros, which HMAC does as well.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let mac = hex::encode(ResetKey(key).mac(b"Hi There"));
        assert_eq!(mac, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }
}
