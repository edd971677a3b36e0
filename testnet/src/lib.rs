//! testnet: a whole network on one machine, and in one thread: [`sim`].

pub mod sim;
