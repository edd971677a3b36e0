//! The contract of a node of IPFS, held over every implementation and every daemon at hand.
//!
//! To add one: a file beside `kubo.rs` that starts two nodes of it, connects them, and hands them
//! to [`contract::check_ipfs`]. Daemons are foreign programs: those that are not installed are
//! left out, and the test says so on standard error.
//!
//! | node | runs |
//! |---|---|
//! | two embedded nodes | always |
//! | js-ipfs daemons behind `Kubo` | if `QUORATE_JSIPFS` names what `interop/install` installed |
//! | Kubo daemons behind `Kubo` | if `ipfs` is on `PATH` |

#[path = "ipfs_suite/contract.rs"]
mod contract;
#[path = "ipfs_suite/daemon.rs"]
mod daemon;
#[path = "ipfs_suite/embedded.rs"]
mod embedded;
#[path = "ipfs_suite/jsipfs.rs"]
mod jsipfs;
#[path = "ipfs_suite/kubo.rs"]
mod kubo;
#[path = "ipfs_suite/quirks.rs"]
mod quirks;
