//! Who is at the other end: transport keys certified by vote keys.
//!
//! A process makes a fresh Ed25519 transport key and a self-signed certificate with one extension:
//! the member's vote key and its signature over the transport key, the network and the epoch (the
//! shape of <https://github.com/libp2p/specs/blob/master/tls/tls.md>). rustls only ever holds the
//! transport key; its `CertificateVerify` proves that the peer holds it too. Names and dates in
//! certificates mean nothing here: there is no clock in this decision, and a transport key dies
//! with its process.

use ledger::encoding::Canonical as _;
use ledger::key::{Keypair, PublicKey, Signature};
use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, PeerIncompatible,
    SignatureScheme,
};
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::limits::CERTIFICATE_BYTES_MAX;

/// What a vote key signs begins with this text, after its length in one byte, so that no other
/// signed statement can stand for it.
const DOMAIN_TAG: &str = "quorate/1 transport key";

/// The extension's name: an arc under 2.25 (ITU-T X.667, no registration), the first eight bytes of
/// sha2-256("quorate transport identity"). Only members ever read it.
const EXTENSION_OID: &[u64] = &[2, 25, 0x4df6_78d5_637b_6834];

/// DER of an OCTET STRING of 96 bytes: vote key, then signature.
const EXTENSION_HEADER: [u8; 2] = [0x04, 96];

/// DER of an Ed25519 SubjectPublicKeyInfo up to the 32 bytes of the key (RFC 8410, section 4).
const ED25519_SPKI_HEADER: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a peer's certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// There must be exactly one certificate.
    #[error("{found} certificates were shown, and exactly one is expected")]
    CertificateCount {
        /// How many were shown.
        found: usize,
    },
    /// Larger than [`CERTIFICATE_BYTES_MAX`], not DER, or with bytes left over.
    #[error("the certificate is malformed")]
    Malformed,
    /// The transport key is of another kind.
    #[error("the transport key is not Ed25519")]
    NotEd25519,
    /// The committee extension is absent, repeated, or not a vote key and a signature.
    #[error("the certificate's committee extension is missing or malformed")]
    Extension,
    /// A good vote key of somebody outside the committee.
    #[error("vote key {key:?} is not in the committee")]
    Stranger {
        /// The key shown.
        key: PublicKey,
    },
    /// The vote key did not sign this transport key for this network and epoch: forged, or a member
    /// of another network or epoch.
    #[error("member {member} did not sign this transport key for this network and epoch")]
    BadSignature {
        /// Whose key was shown.
        member: u16,
    },
    /// Somebody shows our own vote key.
    #[error("the peer shows our own vote key")]
    Own,
    /// Another member answered than the one dialled.
    #[error("member {found} answered where member {expected} was dialled")]
    Unexpected {
        /// The member dialled.
        expected: u16,
        /// The member that answered.
        found: u16,
    },
    /// A member with a higher index dialled us; it is ours to dial.
    #[error("member {member} dialled, and the lower index dials")]
    WrongDirection {
        /// Who dialled.
        member: u16,
    },
}

/// Which certificates a node takes: its committee, seen from one member.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The network id.
    pub network: [u8; 32],
    /// The epoch of the committee.
    pub epoch: u64,
    /// Vote keys; `members[i]` is member `i`'s.
    pub members: Vec<PublicKey>,
    /// Our own index.
    pub own: u16,
}

/// Which members a side of a handshake takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// We dialled this one.
    Exactly(u16),
    /// We were dialled: by a member with a lower index.
    Lower,
}

impl Admission {
    /// The member that a certificate chain names. About 50 µs, one signature check.
    ///
    /// # Errors
    /// Any [`IdentityError`]; keys are compared before the signature is checked.
    pub fn member(
        &self,
        chain: &[CertificateDer<'_>],
        expected: Expected,
    ) -> Result<u16, IdentityError> {
        let [certificate] = chain else {
            return Err(IdentityError::CertificateCount { found: chain.len() });
        };
        let (spki, statement) = parse(certificate)?;
        let position = self.members.iter().position(|key| *key == statement.key);
        let Some(position) = position else {
            return Err(IdentityError::Stranger { key: statement.key });
        };
        let member = u16::try_from(position).expect("a committee counts in 16 bits");
        if member == self.own {
            return Err(IdentityError::Own);
        }
        match expected {
            Expected::Exactly(expected) if expected != member => {
                return Err(IdentityError::Unexpected { expected, found: member });
            }
            Expected::Lower if member > self.own => {
                return Err(IdentityError::WrongDirection { member });
            }
            Expected::Exactly(_) | Expected::Lower => {}
        }
        if !statement.key.verifies(&statement.signature, &self.signed_bytes(&spki)) {
            return Err(IdentityError::BadSignature { member });
        }
        Ok(member)
    }

    /// What the vote key signs for the transport key `spki` (DER).
    fn signed_bytes(&self, spki: &[u8]) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(DOMAIN_TAG.len()).expect("a short tag")];
        bytes.extend_from_slice(DOMAIN_TAG.as_bytes());
        bytes.extend_from_slice(&self.network);
        self.epoch.write(&mut bytes);
        bytes.extend_from_slice(spki);
        bytes
    }
}

/// The extension's content: 96 canonical bytes.
struct Statement {
    key: PublicKey,
    signature: Signature,
}

/// The transport key (SubjectPublicKeyInfo, DER) and the statement of one certificate.
fn parse(certificate: &CertificateDer<'_>) -> Result<(Vec<u8>, Statement), IdentityError> {
    if certificate.len() > CERTIFICATE_BYTES_MAX {
        return Err(IdentityError::Malformed);
    }
    let parsed = X509Certificate::from_der(certificate);
    let Ok(([], parsed)) = parsed else { return Err(IdentityError::Malformed) };
    let spki = parsed.public_key().raw;
    let is_ed25519 = spki.len() == 44 && spki.starts_with(&ED25519_SPKI_HEADER);
    if !is_ed25519 {
        return Err(IdentityError::NotEd25519);
    }
    let is_ours = |oid: &x509_parser::der_parser::Oid<'_>| {
        oid.iter().is_some_and(|arcs| arcs.eq(EXTENSION_OID.iter().copied()))
    };
    let mut ours = parsed.extensions().iter().filter(|extension| is_ours(&extension.oid));
    let (Some(extension), None) = (ours.next(), ours.next()) else {
        return Err(IdentityError::Extension);
    };
    let content =
        extension.value.strip_prefix(&EXTENSION_HEADER).ok_or(IdentityError::Extension)?;
    let statement = <[u8; 96]>::try_from(content).map_err(|_| IdentityError::Extension)?;
    let (key, signature) = statement.split_at(32);
    let key = PublicKey::from_bytes(key.try_into().expect("32 of 96 bytes"))
        .map_err(|_| IdentityError::Extension)?;
    let signature = Signature(signature.try_into().expect("64 of 96 bytes"));
    Ok((spki.to_vec(), Statement { key, signature }))
}

/// This process' transport key and the certificate that binds it to the member's vote key.
#[derive(Debug)]
pub struct Identity {
    /// The one certificate of the chain.
    pub certificate: CertificateDer<'static>,
    /// The transport key. It never leaves the process.
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Makes a transport key from the system's randomness and has the vote key certify it.
    ///
    /// # Errors
    /// What rcgen says when the system has no randomness.
    pub fn new(admission: &Admission, keypair: &Keypair) -> Result<Self, rcgen::Error> {
        use rcgen::PublicKeyData as _;
        let transport = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        let spki = transport.subject_public_key_info();
        let mut content = EXTENSION_HEADER.to_vec();
        keypair.public().write(&mut content);
        keypair.sign(&admission.signed_bytes(&spki)).write(&mut content);

        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters
            .custom_extensions
            .push(rcgen::CustomExtension::from_oid_content(EXTENSION_OID, content));
        let certificate = parameters.self_signed(&transport)?.der().clone();
        assert!(certificate.len() <= CERTIFICATE_BYTES_MAX);
        Ok(Self { certificate, key: PrivateKeyDer::Pkcs8(transport.serialize_der().into()) })
    }
}

/// rustls' question "is this certificate good?", answered by an [`Admission`].
#[derive(Debug)]
pub struct Verifier {
    admission: Arc<Admission>,
    expected: Expected,
    algorithms: WebPkiSupportedAlgorithms,
    /// The last refusal, for the caller who gets only rustls' text for it.
    refusal: Mutex<Option<IdentityError>>,
}

impl Verifier {
    /// A verifier for one direction.
    pub fn new(admission: Arc<Admission>, expected: Expected) -> Self {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        Self { admission, expected, algorithms, refusal: Mutex::new(None) }
    }

    /// Takes out why the last certificate was refused.
    pub fn take_refusal(&self) -> Option<IdentityError> {
        self.refusal.lock().take()
    }

    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), rustls::Error> {
        let checked = if intermediates.is_empty() {
            self.admission.member(std::slice::from_ref(end_entity), self.expected)
        } else {
            Err(IdentityError::CertificateCount { found: 1 + intermediates.len() })
        };
        match checked {
            Ok(_) => Ok(()),
            Err(error) => {
                *self.refusal.lock() = Some(error.clone());
                let error = CertificateError::Other(OtherError(Arc::new(error)));
                Err(rustls::Error::InvalidCertificate(error))
            }
        }
    }

    /// The handshake's signature is checked with the transport key itself, so that no second reader
    /// of certificates has a say in which key that is.
    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if signed.scheme != SignatureScheme::ED25519 {
            return Err(PeerIncompatible::NoSignatureSchemesInCommon.into());
        }
        let (spki, _) = parse(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let spki = SubjectPublicKeyInfoDer::from(spki);
        verify_tls13_signature_with_raw_key(message, &spki, signed, &self.algorithms)
    }
}

/// TLS 1.2 is not offered; if it were ever spoken, its signatures fail.
fn no_tls12() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(PeerIncompatible::Tls12NotOffered.into())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
