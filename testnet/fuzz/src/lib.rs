//! The fuzz targets of `testnet::fuzz` under libFuzzer, with every allocation counted: an input
//! that makes a target take more memory than its bound is a finding like a panic. The only crate of
//! ours with `unsafe` in it, and nothing depends on it: a counting allocator can't do without.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, counted.
struct Counting;

/// Bytes allocated now, and the most of them since the last input began.
static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn took(bytes: usize) {
    PEAK.fetch_max(NOW.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: each call goes to the system's allocator as it came; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        took(bytes);
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(pointer, layout, bytes) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs one input through the target of this name.
///
/// # Panics
/// When its property is broken, or it takes more memory than its bound.
pub fn run(name: &str, data: &[u8]) {
    let target = testnet::fuzz::target(name).expect("a target of this name");
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    (target.check)(data);
    let (fixed, times) = target.memory_max;
    let taken = PEAK.load(Relaxed).saturating_sub(before);
    let bytes = data.len();
    assert!(taken <= fixed + times * bytes, "{taken} bytes of memory for {bytes} of input");
}

/// Writes what the target of this name starts from into the folder that `QUORATE_FUZZ_SEEDS` names,
/// where it does, before libFuzzer looks there.
///
/// # Panics
/// When the folder can't be written.
pub fn begin(name: &str) {
    let target = testnet::fuzz::target(name).expect("a target of this name");
    let Some(folder) = std::env::var_os("QUORATE_FUZZ_SEEDS").map(PathBuf::from) else { return };
    fs::create_dir_all(&folder).expect("a folder for the seeds");
    for (name, input) in (target.seeds)() {
        fs::write(folder.join(format!("seed-{name}")), input).expect("writing a seed");
    }
}

/// The program of the target of this name.
#[macro_export]
macro_rules! program {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(init: $crate::begin($name), |data: &[u8]| {
            $crate::run($name, data)
        });
    };
}
