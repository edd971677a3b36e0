//! Quorate's values.

pub mod encoding;
pub mod hash;
pub mod key;
