//! What a simulated disk does to what was not synced, and nothing beyond it.

use super::*;
use image::Lie;
use std::collections::BTreeSet;

const DIR: &str = "/d";

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// A disk with a durable file of four sectors of ones.
fn prepared(seed: u64) -> (SimDisk, FileHandle) {
    let disk = SimDisk::default();
    disk.image().seed(seed);
    disk.create_dir(Path::new(DIR)).expect("made");
    let file = disk.create(&path("file")).expect("made");
    file.write_at(&[1; 4 * SECTOR_BYTES], 0).expect("written");
    file.sync().expect("synced");
    disk.sync_dir(Path::new(DIR)).expect("synced");
    (disk, file)
}

fn bytes(disk: &SimDisk) -> Vec<u8> {
    let file = disk.open(&path("file")).expect("there");
    let mut bytes = vec![0; usize::try_from(file.bytes().expect("a size")).expect("small")];
    assert_eq!(file.read_at(&mut bytes, 0).expect("read"), bytes.len());
    bytes
}

#[test]
fn a_crash_leaves_each_sector_in_some_version_and_nothing_else() {
    let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
    for seed in 0..200 {
        let (disk, file) = prepared(seed);
        file.write_at(&[2; 2 * SECTOR_BYTES], 100).expect("written");
        file.write_at(&[3; 10], 200).expect("written");
        disk.image().crash();
        let found = bytes(&disk);
        assert_eq!(found.len(), 4 * SECTOR_BYTES, "sizes stay");
        for (sector, bytes) in found.chunks(SECTOR_BYTES).enumerate() {
            let is_touched = sector < 3;
            let (first, last) = (bytes[0], bytes[SECTOR_BYTES - 1]);
            assert!(is_touched || (first, last) == (1, 1), "seed {seed}");
        }
        // The later write of a sector is never there without the earlier one.
        assert!(found[200] != 3 || found[300] == 2, "seed {seed}");
        let version = [found[300], found[200], found[SECTOR_BYTES], found[2 * SECTOR_BYTES]];
        seen.insert(version.to_vec());
    }
    assert!(seen.contains(&vec![1, 1, 1, 1]) && seen.contains(&vec![2, 3, 2, 2]), "{seen:?}");
    assert!(seen.contains(&vec![1, 1, 2, 2]), "a newer sector without an older: {seen:?}");
    assert_eq!(seen.len(), 3 * 2 * 2, "every mixture: {seen:?}");
}

#[test]
fn what_is_synced_survives_and_so_do_names() {
    for seed in 0..50 {
        let (disk, file) = prepared(seed);
        file.write_at(&[7; 600], 300).expect("written");
        file.sync().expect("synced");
        disk.rename(&path("file"), &path("other")).expect("renamed");
        disk.sync_dir(Path::new(DIR)).expect("synced");
        disk.rename(&path("other"), &path("file")).expect("renamed");
        disk.remove(&path("file")).expect("removed");
        disk.image().crash();
        // Names change in order: the file is gone only if it was renamed before.
        let names = disk.list(Path::new(DIR)).expect("listed");
        assert!(names.len() <= 1, "{names:?}");
        if names == [path("file")] {
            assert_eq!(bytes(&disk)[300..900], [7; 600]);
        }
    }
}

#[test]
fn after_a_failed_sync_the_next_one_lies() {
    let mut lost = 0;
    for seed in 0..50 {
        let (disk, file) = prepared(seed);
        disk.image().weakness.bad_sync = Some(0);
        file.write_at(&[9; 512], 512).expect("written");
        assert_eq!(file.sync().expect_err("broken").raw_os_error(), Some(5));
        file.sync().expect("it says so");
        assert_eq!(bytes(&disk)[512], 9, "and reading says so, too");
        disk.image().crash();
        lost += u32::from(bytes(&disk)[512] == 1);
    }
    assert!((1..50).contains(&lost), "{lost}");
}

#[test]
fn power_goes_between_two_calls_and_a_full_disk_takes_nothing_new() {
    let (disk, file) = prepared(1);
    disk.image().weakness.is_full = true;
    assert_eq!(disk.create(&path("new")).expect_err("full").raw_os_error(), Some(28));
    assert_eq!(file.allocate(1 << 20).expect_err("full").raw_os_error(), Some(28));
    file.allocate(100).expect("it has that");
    file.write_at(&[5; 10], 0).expect("there is room for that");
    disk.image().weakness.fuse = Some(1);
    file.write_at(&[6; 10], 0).expect("not yet");
    assert!(file.write_at(&[7; 10], 0).is_err());
    assert!(disk.image().is_dark() && file.bytes().is_err() && disk.open(&path("file")).is_err());
    disk.image().crash();
    assert!([1, 5, 6, 7].contains(&bytes(&disk)[0]));
}

#[test]
fn planted_bugs_lie_where_they_say() {
    let (disk, file) = prepared(3);
    disk.image().weakness.lie = Some(Lie::NoSync);
    file.write_at(&[8; 10], 0).expect("written");
    file.sync().expect("it says so");
    assert_eq!(disk.image().files("/d/file")[0].durable()[0], 1);
    disk.image().weakness.lie = Some(Lie::NoHead);
    let mut head = [0; 89];
    head[0] = 2;
    file.write_at(&head, 4096).expect("it says so");
    assert_eq!(bytes(&disk).len(), 4 * SECTOR_BYTES);
}
