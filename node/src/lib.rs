//! node

pub mod index;
pub mod journal;
pub mod store_lock;
