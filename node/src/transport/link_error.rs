//! Why a link is down, and what the other side is told when it is closed.

use super::frame::FrameError;
use super::identity::IdentityError;
use quinn::{ConnectionError, VarInt, WriteError};
use std::net::SocketAddr;

/// Why a link is down, or why its last connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The peer speaks another version of the protocol. When the peer dialled us, it is recognised
    /// by its address only, so this is a hint.
    #[error("the peer speaks another version of the protocol, and we speak quorate/{ours}")]
    VersionMismatch {
        /// Our version.
        ours: u16,
    },
    /// The peer's certificate is refused.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The peer refuses our certificate or our TLS.
    #[error("the peer refused the handshake with TLS alert {alert}")]
    Refused {
        /// The alert (RFC 8446, section 6).
        alert: u8,
    },
    /// Nobody answered in time.
    #[error("nobody answers at {address}")]
    Unreachable {
        /// Where we dialled.
        address: SocketAddr,
    },
    /// An answer came and the handshake was not complete in time.
    #[error("the handshake took too long")]
    HandshakeTooSlow,
    /// The peer closed the link.
    #[error("the peer closed the link: {0}")]
    ClosedByPeer(CloseReason),
    /// The peer lost its state: it restarted.
    #[error("the peer restarted")]
    Restarted,
    /// The peer was not heard for the idle time.
    #[error("the peer was silent for too long")]
    Silent,
    /// The peer announced a frame above the limit.
    #[error("the peer announced a frame of {bytes} bytes, and at most {max} are allowed")]
    FrameTooLarge {
        /// Bytes announced.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A frame began and was not complete in time.
    #[error("the peer began a frame and stopped after {received} bytes")]
    FrameTooSlow {
        /// Bytes received.
        received: usize,
    },
    /// The peer ended, reset or stopped its or our stream of frames, or began it with something
    /// else than an empty frame.
    #[error("the peer broke a stream off")]
    StreamBroken,
    /// A breach of QUIC's own rules, by its error code.
    #[error("QUIC error {code:#x}")]
    Quic {
        /// The code (RFC 9000, section 20.1).
        code: u64,
    },
    /// A newer connection of the same member took over.
    #[error("a newer connection took over")]
    Replaced,
    /// We are closing.
    #[error("closed by ourselves")]
    Closed,
}

/// Why a connection is closed, as told to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The node stops.
    Shutdown,
    /// A newer connection took over.
    Replaced,
    /// The other side broke the rules of frames or streams.
    Misbehaved,
    /// A code that this version doesn't know.
    Other(u64),
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CloseReason::Shutdown => f.write_str("it stops"),
            CloseReason::Replaced => f.write_str("a newer connection took over"),
            CloseReason::Misbehaved => f.write_str("it says that we broke the rules"),
            CloseReason::Other(code) => write!(f, "code {code}"),
        }
    }
}

impl CloseReason {
    fn of(code: u64) -> Self {
        match code {
            1 => CloseReason::Shutdown,
            2 => CloseReason::Replaced,
            3 => CloseReason::Misbehaved,
            other => CloseReason::Other(other),
        }
    }

    /// The QUIC application error code.
    pub(super) fn code(self) -> VarInt {
        match self {
            CloseReason::Shutdown => VarInt::from_u32(1),
            CloseReason::Replaced => VarInt::from_u32(2),
            CloseReason::Misbehaved => VarInt::from_u32(3),
            CloseReason::Other(code) => VarInt::try_from(code).unwrap_or(VarInt::MAX),
        }
    }
}

/// TLS alert 120, `no_application_protocol`, which ALPN gives when no version is common (RFC 7301).
const NO_APPLICATION_PROTOCOL: u8 = 120;

impl From<ConnectionError> for LinkError {
    fn from(error: ConnectionError) -> Self {
        let quic = |code: u64| match code.checked_sub(0x100).map(u8::try_from) {
            Some(Ok(NO_APPLICATION_PROTOCOL)) => LinkError::version_mismatch(),
            Some(Ok(alert)) => LinkError::Refused { alert },
            Some(Err(_)) | None => LinkError::Quic { code },
        };
        match error {
            ConnectionError::VersionMismatch => LinkError::version_mismatch(),
            ConnectionError::TransportError(error) => quic(error.code.into()),
            ConnectionError::ConnectionClosed(close) => quic(close.error_code.into()),
            ConnectionError::ApplicationClosed(close) => {
                LinkError::ClosedByPeer(CloseReason::of(close.error_code.into_inner()))
            }
            ConnectionError::Reset => LinkError::Restarted,
            ConnectionError::TimedOut => LinkError::Silent,
            ConnectionError::LocallyClosed | ConnectionError::CidsExhausted => LinkError::Closed,
        }
    }
}

impl From<FrameError> for LinkError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::TooLarge { bytes, max } => LinkError::FrameTooLarge { bytes, max },
            FrameError::TooSlow { received } => LinkError::FrameTooSlow { received },
            FrameError::Truncated => LinkError::StreamBroken,
            FrameError::Lost(error) => error.into(),
        }
    }
}

impl From<WriteError> for LinkError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ConnectionLost(error) => error.into(),
            _ => LinkError::StreamBroken,
        }
    }
}

impl LinkError {
    pub(super) fn version_mismatch() -> Self {
        LinkError::VersionMismatch { ours: super::PROTOCOL_VERSION }
    }

    /// What the peer is told when the link ends for this reason.
    pub(super) fn close_reason(&self) -> CloseReason {
        match self {
            LinkError::Replaced => CloseReason::Replaced,
            LinkError::FrameTooLarge { .. }
            | LinkError::FrameTooSlow { .. }
            | LinkError::StreamBroken => CloseReason::Misbehaved,
            _ => CloseReason::Shutdown,
        }
    }
}
