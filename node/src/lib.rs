//! The Quorate node.

pub mod multicast;
pub mod transport;
