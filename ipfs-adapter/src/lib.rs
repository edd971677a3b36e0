//! ipfs-adapter
