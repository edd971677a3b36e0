//! Everybody who must not get a link.

use super::*;
use ledger::key::Keypair;

#[track_caller]
fn check(
    shown_by: &Keypair,
    shown: Admission,
    expected: Expected,
    result: Result<u16, IdentityError>,
) {
    let identity = Identity::new(&shown, shown_by).expect("an identity");
    let judged = admission_of(1, 4).member(&[identity.certificate], expected);
    assert_eq!(judged, result);
}

fn shown(own: u16) -> Admission {
    admission(&config(own, 4)).expect("a good committee")
}

#[test]
fn a_certificate_is_judged_by_committee_network_epoch_and_direction() {
    check(&keypair(0), shown(0), Expected::Lower, Ok(0));
    check(&keypair(3), shown(3), Expected::Exactly(3), Ok(3));
    let stranger = keypair(9);
    let error = IdentityError::Stranger { key: stranger.public() };
    check(&stranger, shown(0), Expected::Lower, Err(error));
    let bad = Err(IdentityError::BadSignature { member: 0 });
    let elsewhere = Admission { network: [8; 32], ..shown(0) };
    check(&keypair(0), elsewhere, Expected::Lower, bad.clone());
    let later = Admission { epoch: EPOCH + 1, ..shown(0) };
    check(&keypair(0), later, Expected::Lower, bad);
    let unexpected = IdentityError::Unexpected { expected: 3, found: 2 };
    check(&keypair(2), shown(2), Expected::Exactly(3), Err(unexpected));
    check(&keypair(1), shown(1), Expected::Lower, Err(IdentityError::Own));
    check(&keypair(1), shown(1), Expected::Exactly(1), Err(IdentityError::Own));
    let upwards = IdentityError::WrongDirection { member: 2 };
    check(&keypair(2), shown(2), Expected::Lower, Err(upwards));
}

#[test]
fn a_certificate_must_be_alone_and_well_formed() {
    let good = Identity::new(&shown(0), &keypair(0)).expect("an identity").certificate;
    let judge = |chain: &[rustls::pki_types::CertificateDer<'_>]| {
        admission_of(1, 4).member(chain, Expected::Lower)
    };
    assert_eq!(judge(&[]), Err(IdentityError::CertificateCount { found: 0 }));
    let twice = [good.clone(), good.clone()];
    assert_eq!(judge(&twice), Err(IdentityError::CertificateCount { found: 2 }));
    let mut trailing = good.to_vec();
    trailing.push(0);
    assert_eq!(judge(&[trailing.into()]), Err(IdentityError::Malformed));
    let huge = vec![0x30; limits::CERTIFICATE_BYTES_MAX + 1];
    assert_eq!(judge(&[huge.into()]), Err(IdentityError::Malformed));
    for length in 0..good.len() {
        assert_eq!(judge(&[good[..length].to_vec().into()]), Err(IdentityError::Malformed));
    }
}

#[test]
fn a_vote_key_speaks_for_one_transport_key_only() {
    // The statement of one certificate, moved into another by its owner.
    let good = Identity::new(&shown(0), &keypair(0)).expect("an identity").certificate;
    let other = Identity::new(&shown(0), &keypair(0)).expect("an identity").certificate;
    assert_ne!(good, other);
    let public = *keypair(0).public().bytes();
    let statement = |der: &[u8]| {
        der.windows(32).position(|window| window == public).expect("the vote key is in there")
    };
    let (from, to) = (statement(&good), statement(&other));
    let mut moved = other.to_vec();
    moved[to..to + 96].copy_from_slice(&good[from..from + 96]);
    let judged = admission_of(1, 4).member(&[moved.into()], Expected::Lower);
    assert_eq!(judged, Err(IdentityError::BadSignature { member: 0 }));
}

#[test]
fn a_certificate_without_our_statement_or_with_another_kind_of_key_is_refused() {
    let judge = |algorithm: &'static rcgen::SignatureAlgorithm| {
        let key = rcgen::KeyPair::generate_for(algorithm).expect("a key");
        let certificate = rcgen::CertificateParams::default().self_signed(&key).expect("signed");
        admission_of(1, 4).member(&[certificate.der().clone()], Expected::Lower)
    };
    assert_eq!(judge(&rcgen::PKCS_ED25519), Err(IdentityError::Extension));
    assert_eq!(judge(&rcgen::PKCS_ECDSA_P256_SHA256), Err(IdentityError::NotEd25519));
}

/// A peer with `keypair` and `admission` dials member 1 and is turned away.
async fn is_turned_away(keypair: Keypair, admission: Admission) {
    let node = Node::start(config(1, 4));
    let fake = Fake::with(keypair, Arc::new(admission));
    let error = match fake.dial_as(1, node.address(), &tls::alpn()).await {
        Err(error) => error,
        // A TLS 1.3 client is done before the server has judged its certificate.
        Ok(connection) => within("the refusal", connection.closed()).await,
    };
    assert!(matches!(LinkError::from(error.clone()), LinkError::Refused { .. }), "{error:?}");
    until("it is counted", || node.transport.refused() == 1).await;
    assert!(node.transport.peers().iter().all(|peer| !peer.is_up));
    close([node]).await;
}

#[tokio::test]
async fn a_stranger_is_turned_away() {
    is_turned_away(keypair(9), shown(0)).await;
}

#[tokio::test]
async fn another_network_is_turned_away() {
    is_turned_away(keypair(0), Admission { network: [8; 32], ..shown(0) }).await;
}

#[tokio::test]
async fn another_epoch_is_turned_away() {
    is_turned_away(keypair(0), Admission { epoch: EPOCH + 1, ..shown(0) }).await;
}

#[tokio::test]
async fn a_higher_member_may_not_dial() {
    is_turned_away(keypair(2), shown(2)).await;
}

#[tokio::test]
async fn our_own_key_is_turned_away() {
    let mut admission = shown(1);
    admission.own = 0;
    is_turned_away(keypair(1), admission).await;
}

#[tokio::test]
async fn the_member_that_answers_must_be_the_one_that_was_dialled() {
    let nodes = [Node::start(config(0, 4)), Node::start(config(2, 4))];
    nodes[0].transport.set_address(1, nodes[1].address());
    let error = IdentityError::Unexpected { expected: 1, found: 2 };
    until("the error is known", || {
        nodes[0].peer(1).error == Some(LinkError::Identity(error.clone()))
    })
    .await;
    close(nodes).await;
}

#[tokio::test]
async fn a_dialled_peer_without_a_certificate_is_refused() {
    // A server that does not ask for ours, with a plain certificate of its own.
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let certificate = rcgen::CertificateParams::default().self_signed(&key).expect("signed");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut settings = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate");
    settings.alpn_protocols = vec![tls::alpn()];
    let settings = quinn::crypto::rustls::QuicServerConfig::try_from(settings).expect("for QUIC");
    let settings = quinn::ServerConfig::with_crypto(Arc::new(settings));
    let server = Endpoint::server(settings, loopback()).expect("an endpoint");
    let node = Node::start(config(0, 2));
    node.transport.set_address(1, server.local_addr().expect("bound"));
    let accept = async {
        while let Some(incoming) = server.accept().await {
            assert!(incoming.await.is_err());
        }
    };
    let refused = LinkError::Identity(IdentityError::Extension);
    tokio::select! {
        () = accept => {}
        () = until("the error is known", || node.peer(1).error == Some(refused.clone())) => {}
    }
    close([node]).await;
}

#[tokio::test]
async fn a_client_without_a_certificate_is_turned_away() {
    let node = Node::start(config(1, 2));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = identity::Verifier::new(admission_of(0, 2), Expected::Exactly(1));
    let mut settings = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    settings.alpn_protocols = vec![tls::alpn()];
    let settings = quinn::crypto::rustls::QuicClientConfig::try_from(settings).expect("for QUIC");
    let settings = quinn::ClientConfig::new(Arc::new(settings));
    let endpoint = Endpoint::client(loopback()).expect("an endpoint");
    let connecting = endpoint.connect_with(settings, node.address(), tls::SERVER_NAME);
    let error = match within("a handshake", connecting.expect("an address")).await {
        Err(error) => error,
        Ok(connection) => within("the refusal", connection.closed()).await,
    };
    assert!(matches!(LinkError::from(error.clone()), LinkError::Refused { .. }), "{error:?}");
    close([node]).await;
}

/// Shows one certificate and signs with another key.
#[derive(Debug)]
struct Thief(Arc<rustls::sign::CertifiedKey>);

impl rustls::client::ResolvesClientCert for Thief {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }
    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_members_certificate_without_its_transport_key_is_turned_away() {
    let node = Node::start(config(1, 2));
    let shown = Identity::new(&shown(0), &keypair(0)).expect("an identity").certificate;
    let own = Identity::new(&admission(&config(0, 4)).expect("a good committee"), &keypair(0))
        .expect("an identity")
        .key;
    let key = rustls::crypto::ring::sign::any_supported_type(&own).expect("a key");
    let stolen = Thief(Arc::new(rustls::sign::CertifiedKey::new(vec![shown], key)));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = identity::Verifier::new(admission_of(0, 2), Expected::Exactly(1));
    let mut settings = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(stolen));
    settings.alpn_protocols = vec![tls::alpn()];
    let settings = quinn::crypto::rustls::QuicClientConfig::try_from(settings).expect("for QUIC");
    let settings = quinn::ClientConfig::new(Arc::new(settings));
    let endpoint = Endpoint::client(loopback()).expect("an endpoint");
    let connecting = endpoint.connect_with(settings, node.address(), tls::SERVER_NAME);
    let error = match within("a handshake", connecting.expect("an address")).await {
        Err(error) => error,
        Ok(connection) => within("the refusal", connection.closed()).await,
    };
    assert!(matches!(LinkError::from(error.clone()), LinkError::Refused { .. }), "{error:?}");
    until("it is counted", || node.transport.refused() == 1).await;
    assert!(!node.peer(0).is_up);
    close([node]).await;
}

#[tokio::test]
async fn an_older_peer_that_dials_is_refused_and_named() {
    let node = Node::start(config(1, 2));
    let older = Fake::new(0, 2);
    node.transport.set_address(0, older.endpoint.local_addr().expect("bound"));
    let error = older.dial_as(1, node.address(), b"quorate/1").await.expect_err("refused");
    assert_eq!(LinkError::from(error), LinkError::version_mismatch());
    let is_named =
        || node.peer(0).error == Some(LinkError::VersionMismatch { ours: PROTOCOL_VERSION });
    until("the link's state says so", is_named).await;
    close([node]).await;
}

#[tokio::test]
async fn an_older_peer_that_is_dialled_is_refused_and_named() {
    let older = Identity::new(&shown(1), &keypair(1)).expect("an identity");
    let (settings, _) =
        tls::server_speaking(&older, Arc::new(shown(1)), &Timings::default(), b"quorate/1")
            .expect("good settings");
    let server = Endpoint::server(settings, loopback()).expect("an endpoint");
    let node = Node::start(config(0, 4));
    node.transport.set_address(1, server.local_addr().expect("bound"));
    let accept = async {
        while let Some(incoming) = server.accept().await {
            assert!(incoming.await.is_err());
        }
    };
    let is_named =
        || node.peer(1).error == Some(LinkError::VersionMismatch { ours: PROTOCOL_VERSION });
    tokio::select! {
        () = accept => {}
        () = until("the link's state says so", is_named) => {}
    }
    close([node]).await;
}

#[tokio::test]
async fn a_crowd_of_half_open_handshakes_keeps_no_member_out() {
    let nodes = [Node::start(config(0, 2)), Node::start(config(1, 2))];
    // First packets whose senders never answer: real ClientHellos, cut off at once.
    let crowd = 2 * limits::HANDSHAKES_MAX;
    let fake = Fake::new(0, 2);
    let mut connecting = Vec::new();
    for _ in 0..crowd {
        let (config, _) =
            tls::client(&fake.identity, fake.admission.clone(), 1, &Timings::default())
                .expect("good settings");
        let handshake = fake.endpoint.connect_with(config, nodes[1].address(), tls::SERVER_NAME);
        connecting.push(handshake.expect("an address"));
    }
    introduce(&nodes);
    nodes[0].until_up(1).await;
    drop(connecting);
    close(nodes).await;
}
