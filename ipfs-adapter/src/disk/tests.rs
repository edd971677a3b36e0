//! What only the store on disk can do wrong: flipped bits, other formats, reopening.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::{BlockError, Blocks, Content, Pin, PinError, Pins};

const QUOTA: u64 = 1 << 20;

/// Opens the store; sled's own threads may hold the lock a moment longer than the one before.
fn open(directory: &TempDir) -> Sled {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match Sled::open(directory.path(), QUOTA) {
            Err(StoreError::Disk(_)) if Instant::now() < deadline => std::thread::yield_now(),
            opened => return opened.expect("the store opens"),
        }
    }
}

fn pin(bytes: &[u8], why: &[u8]) -> Pin {
    Pin { id: ContentId::of(bytes), label: Label::new(why).expect("a short label") }
}

/// Flips one bit of a row behind the store's back.
fn flip(store: &Sled, key: &[u8], byte: usize) {
    let mut row = store.tree.get(key).expect("sled reads").expect("the row is there").to_vec();
    row[byte] ^= 4;
    store.tree.insert(key, row).expect("sled writes");
}

#[test]
fn everything_is_there_after_reopening() {
    let directory = TempDir::new().expect("a temporary directory");
    let content = Content::of(*b"hello").expect("short content");
    let store = open(&directory);
    assert_eq!(store.put(&content), Ok(()));
    assert_eq!(store.pin(&[pin(b"state", b"transfer")]), Ok(()));
    assert_eq!(store.flush(), Ok(()));
    let usage = store.usage();
    drop(store);
    let store = open(&directory);
    assert_eq!(store.usage(), usage);
    assert_eq!(store.get(content.id()), Ok(Some(content)));
    assert_eq!(store.list(None, 9), Ok(vec![pin(b"state", b"transfer")]));
    drop(store);
    let small = Sled::open(directory.path(), 1).expect("a smaller quota is no error");
    assert!(matches!(
        small.put(&Content::of(*b"more").expect("short content")),
        Err(BlockError::Full { bytes_used: 5, bytes_wanted: 4, bytes_max: 1 })
    ));
}

/// The golden rows (the pin's check computed apart, by Python's hashlib): changing one is a change
/// of format.
#[test]
fn rows_are_as_documented() {
    let directory = TempDir::new().expect("a temporary directory");
    let store = open(&directory);
    assert_eq!(store.put(&Content::of(*b"hello").expect("short content")), Ok(()));
    assert_eq!(store.pin(&[pin(b"hello", b"why")]), Ok(()));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let rows: Vec<String> = store
        .tree
        .iter()
        .map(|row| row.expect("sled reads"))
        .map(|(key, row)| format!("{} {}", hex(&key), hex(&row)))
        .collect();
    let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let expected = [
        format!("62{digest} 68656c6c6f"),
        format!("70{digest}55 7768795b96652fca706d23"),
        String::from("75 00000000000000010000000000000005"),
        String::from("76 02"),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_flipped_bit_in_a_block_is_an_error_and_is_healed() {
    let directory = TempDir::new().expect("a temporary directory");
    let store = open(&directory);
    let content = Content::of(*b"hello").expect("short content");
    assert_eq!(store.put(&content), Ok(()));
    for byte in 0..5 {
        flip(&store, &block_key(content.id()), byte);
        assert!(matches!(
            store.get(content.id()),
            Err(BlockError::Corrupt { id, found }) if id == content.id() && found != id
        ));
        assert_eq!(store.put(&content), Ok(()));
        assert_eq!(store.get(content.id()), Ok(Some(content.clone())));
        assert_eq!((store.usage().count, store.usage().bytes), (1, 5));
    }
}

#[test]
fn a_flipped_bit_in_a_pin_is_an_error_and_is_healed() {
    let directory = TempDir::new().expect("a temporary directory");
    let store = open(&directory);
    let pin = pin(b"state", b"transfer");
    let corrupt = PinError::Corrupt { id: pin.id };
    for byte in 0..b"transfer".len() + CHECK_BYTES {
        assert_eq!(store.pin(std::slice::from_ref(&pin)), Ok(()));
        assert_eq!(store.labels(&[pin.id]), Ok(vec![Some(pin.label.clone())]));
        flip(&store, &pin_key(pin.id), byte);
        assert_eq!(store.labels(&[pin.id]), Err(corrupt.clone()));
        assert_eq!(store.are_pinned(&[pin.id]), Err(corrupt.clone()));
        assert_eq!(store.list(None, 9), Err(corrupt.clone()));
        assert_eq!(store.remove(pin.id), Err(BlockError::Pinned { id: pin.id }));
    }
}

#[test]
fn a_store_of_another_format_is_refused() {
    let directory = TempDir::new().expect("a temporary directory");
    let check = |key: &[u8], row: Option<&[u8]>, expected: StoreError| {
        let path = directory.path().join(format!("{expected:?}-{}", row.map_or(0, <[u8]>::len)));
        let store = Sled::open(&path, QUOTA).expect("a new store opens");
        store.tree.insert(b"x", b"some row").expect("sled writes");
        match row {
            Some(row) => store.tree.insert(key, row).map(|_| ()).expect("sled writes"),
            None => store.tree.remove(key).map(|_| ()).expect("sled writes"),
        }
        drop(store);
        assert_eq!(Sled::open(&path, QUOTA).err(), Some(expected));
    };
    check(FORMAT_KEY, Some(&[1]), StoreError::Format { found: 1 });
    check(FORMAT_KEY, Some(&[9]), StoreError::Format { found: 9 });
    check(FORMAT_KEY, Some(&[1, 1]), StoreError::Damaged);
    check(FORMAT_KEY, None, StoreError::Damaged);
    check(USAGE_KEY, Some(&[0; 15]), StoreError::Damaged);
    check(USAGE_KEY, Some(&[0; 17]), StoreError::Damaged);
}

#[test]
fn a_store_that_is_open_elsewhere_is_refused() {
    let directory = TempDir::new().expect("a temporary directory");
    let store = open(&directory);
    assert!(matches!(Sled::open(directory.path(), QUOTA).err(), Some(StoreError::Disk(_))));
    drop(store);
    drop(open(&directory));
}

#[test]
fn the_first_failure_is_final() {
    let directory = TempDir::new().expect("a temporary directory");
    let store = open(&directory);
    let failed: Result<(), _> = store.on_tree(|_| panic!("sled met a damaged page"));
    assert_eq!(failed, Err(StoreError::Damaged));
    let id = ContentId::of(b"hello");
    assert_eq!(store.get(id), Err(BlockError::Store(StoreError::Damaged)));
    assert_eq!(store.are_pinned(&[id]), Err(PinError::Store(StoreError::Damaged)));
    assert_eq!(store.flush(), Err(StoreError::Damaged));
}

/// One bit anywhere in sled's own files: an answer is right, absent or an error, never wrong, and
/// no panic comes out. Absent is possible: that is why the journal and not this store is the truth.
#[test]
fn a_flipped_bit_in_the_files_never_gives_wrong_bytes() {
    let master = TempDir::new().expect("a temporary directory");
    let store = open(&master);
    let texts: Vec<Vec<u8>> = (0..200).map(|i| format!("state {i}").into_bytes()).collect();
    for text in &texts {
        assert_eq!(store.put(&Content::of(text.clone()).expect("short content")), Ok(()));
        assert_eq!(store.pin(&[pin(text, text)]), Ok(()));
    }
    assert_eq!(store.flush(), Ok(()));
    drop(store);
    let database = fs::read(master.path().join("db")).expect("sled's file");
    let used = database.iter().rposition(|byte| *byte != 0).expect("the file is not empty");
    for round in 0..24 {
        let copy = TempDir::new().expect("a temporary directory");
        copy_files(&master, &copy);
        let mut damaged = database.clone();
        damaged[used * round / 24] ^= 0x10;
        fs::write(copy.path().join("db"), damaged).expect("the copy is written");
        let Ok(store) = Sled::open(copy.path(), QUOTA) else { continue };
        for text in &texts {
            let expected = pin(text, text);
            if let Ok(Some(found)) = store.get(expected.id) {
                assert_eq!(found.bytes(), text);
            }
            if let Ok(labels) = store.labels(&[expected.id]) {
                assert!(labels[0].as_ref().is_none_or(|label| *label == expected.label));
            }
        }
    }
}

fn copy_files(from: &TempDir, to: &TempDir) {
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        fs::create_dir_all(to.path().join(&folder)).expect("the copy's folder");
        for entry in fs::read_dir(from.path().join(&folder)).expect("the folder is read") {
            let entry = entry.expect("the entry is read");
            let relative = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(relative);
            } else {
                fs::copy(entry.path(), to.path().join(relative)).expect("the file is copied");
            }
        }
    }
}
