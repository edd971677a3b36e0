//! Validators on disks that fail: full, broken, slow, and cut off from power. Nothing acknowledged
//! is lost, nobody votes on what is not durable, and each comes back once its disk is well.
//!
//! Some of it needs `strace`, some needs root for mounts; where that is not there the test says so
//! and ends. `QUORATE_POWER_CUTS=n` cuts the power n times.

#[path = "processes/asking.rs"]
mod asking;
#[path = "disks/broken.rs"]
mod broken;
#[path = "disks/full.rs"]
mod full;
#[path = "disks/killed.rs"]
mod killed;
#[path = "disks/mount.rs"]
mod mount;
#[path = "disks/power_cut.rs"]
mod power_cut;
#[path = "processes/running.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod running;
#[path = "disks/victim.rs"]
mod victim;
