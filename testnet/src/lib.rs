//! A whole local network: real node processes on loopback, one per validator, and tools around
//! them.
//!
//! ```text
//!  args ──▶ main ──▶ up ──▶ plan ─▶ folder (genesis, keys, configs) ─▶ launch ─▶ node processes
//!                    │                                                   │ peers.toml, registry
//!                    ├──▶ demo, init                                     ▼
//!                    ├──▶ control (status, kill, start, down …) ◀── testnet.json
//!                    ├──▶ faults (slow, partition, heal) ─▶ faults.toml ─▶ relay process
//!                    ├──▶ panel (a page: explorer, control, faults, the wallet)
//!                    └──▶ torture (load, villain, check)
//! ```
//! The programs are one: a node process is this program in its hidden role `node`. Nodes are told
//! apart from strangers by process id *and* start time, so no signal goes astray.

pub mod accounts;
pub mod args;
pub mod control;
pub mod demo;
pub mod dht;
pub mod faults;
pub mod folder;
pub mod fuzz;
pub mod init;
pub mod launch;
pub mod output;
pub mod panel;
pub mod plan;
pub mod probe;
pub mod process;
pub mod registry;
pub mod relay;
pub mod sim;
pub mod simulate;
pub mod spawn;
pub mod torture;
pub mod up;
