//! What this process uses, as Linux says.

#![allow(dead_code, reason = "several test programs use it, each a part")]

use std::time::Duration;

/// Resident memory, bytes.
pub fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages = text.split(' ').nth(1).and_then(|field| field.parse::<usize>().ok());
    pages.expect("a number of pages") * 4_096
}

/// Processor time of all threads so far; in steps of 10 ms.
pub fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").expect("this is Linux");
    let fields = text.rsplit(')').next().expect("behind the name").split_whitespace();
    // Fields 14 and 15 of proc(5); the first two are gone with the name.
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 10)
}
