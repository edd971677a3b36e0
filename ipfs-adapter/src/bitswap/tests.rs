//! Bitswap over real swarms on loopback: this code with itself, and against peers that misbehave.

mod honest;
mod hostile;
mod network;
