//! Files of the index that are flipped, missing, cut, foreign or garbage: told, or harmless.

use std::fs;
use std::path::PathBuf;

use super::*;

over_both_engines!(
    files_that_are_missing_cut_foreign_or_garbage_lead_to_a_rebuild,
    a_flipped_bit_never_loses_or_changes_a_row_silently,
);

/// What a disk, a backup or a person may leave there.
fn files_that_are_missing_cut_foreign_or_garbage_lead_to_a_rebuild(engine: Engine) {
    let (dir, done, model) = closed(engine);
    let clean = files(dir.path());
    let empty = |path: &Path| fs::create_dir_all(path).expect("a folder");
    let mut told = 0;
    for (path, bytes) in &clean {
        for damage in 0..4 {
            let copy = copy_of(dir.path(), &clean);
            let at = copy.path().join(path.strip_prefix(dir.path()).expect("inside"));
            fs::remove_file(&at).expect("removed");
            match damage {
                0 => {}
                1 => fs::write(&at, &bytes[..bytes.len() / 2]).expect("written"),
                2 => fs::write(&at, vec![0xa5; bytes.len()]).expect("written"),
                _ => empty(&at),
            }
            println!("{}: damage {damage}", path.display());
            told += u32::from(!is_whole(copy.path(), engine, done, &model));
        }
    }
    let place = format!("{engine}-0");
    for foreign in ["garbage", "tree/garbage", "tree/tables/garbage", "tree/tables/99", "snap.x"] {
        for is_folder in [false, true] {
            let copy = copy_of(dir.path(), &clean);
            let at = copy.path().join(&place).join(foreign);
            empty(at.parent().expect("a parent"));
            match is_folder {
                true => empty(&at.join("lost+found")),
                false => fs::write(at, b"garbage").expect("written"),
            }
            println!("foreign {foreign}");
            is_whole(copy.path(), engine, done, &model);
        }
    }
    let copy = tempfile::tempdir().expect("a folder");
    fs::write(copy.path().join(&place), b"no folder").expect("written");
    assert!(!is_whole(copy.path(), engine, done, &model));
    println!("{told} of {} told", clean.len() * 4);
    assert!(told > 3);
}

/// Whether the index opens and has all rows; `false` when it is to be built again, and then that
/// works.
fn is_whole(dir: &Path, engine: Engine, done: Checkpoint, model: &Model) -> bool {
    let opened = Index::open(dir, engine, Some(done)).and_then(|index| {
        let found = rows(&index, b"")?;
        assert_eq!(&found, model);
        for (key, value) in model {
            assert_eq!(index.get(key)?.as_ref(), Some(value));
        }
        Ok(())
    });
    match opened {
        Ok(()) => true,
        Err(IndexError::Rebuild { .. }) => {
            let index = Index::create(dir, engine).expect("created");
            assert_eq!(rows(&index, b""), Ok(Model::new()));
            false
        }
        Err(other) => panic!("{other}"),
    }
}

/// The files in another directory.
fn copy_of(dir: &Path, files: &[(PathBuf, Vec<u8>)]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    for (file, bytes) in files {
        let to = copy.path().join(file.strip_prefix(dir).expect("inside"));
        fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
        fs::write(to, bytes).expect("written");
    }
    copy
}

/// Every file of the engine's that has bytes, with its bytes.
pub fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).expect("listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            out.extend(files(&path));
        } else {
            out.push((path.clone(), fs::read(&path).expect("read")));
        }
    }
    out.retain(|file| !file.1.is_empty());
    out.sort();
    out
}

/// Bits flipped, one after the other: `QUORATE_FLIPS`, or a few.
fn flips() -> u32 {
    std::env::var("QUORATE_FLIPS").map_or(60, |text| text.parse().expect("a number"))
}

/// What an engine loses without a word must be noticed by us.
fn a_flipped_bit_never_loses_or_changes_a_row_silently(engine: Engine) {
    let (dir, done, model) = closed(engine);
    let clean = files(dir.path());
    let mut random = StdRng::seed_from_u64(2);
    let (mut told, mut whole) = (0, 0);
    for round in 0..flips() {
        let (path, bytes) = &clean[random.random_range(0..clean.len())];
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        let at = used[random.random_range(0..used.len())];
        let bit = random.random_range(0..8);
        let copy = copy_of(dir.path(), &clean);
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        let file = copy.path().join(path.strip_prefix(dir.path()).expect("inside"));
        fs::write(file, flipped).expect("written");
        println!("round {round}: bit {bit} of byte {at} of {}", path.display());
        match is_whole(copy.path(), engine, done, &model) {
            true => whole += 1,
            false => told += 1,
        }
    }
    println!("{told} told, {whole} whole");
    assert!(told > 0);
}
