//! The index against a `BTreeMap`, through checkpoints, reopening, interruption and rot.

use std::collections::BTreeMap;
use std::fs;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn rows(index: &Index, prefix: &[u8]) -> Result<Model, IndexError> {
    let mut found = Model::new();
    let mut last = None;
    let count = index.scan_prefix(prefix, &mut |key, value| {
        assert!(last.as_deref() < Some(key), "in order, each once");
        last = Some(key.to_vec());
        found.insert(key.to_vec(), value.to_vec());
    })?;
    assert_eq!(usize::try_from(count), Ok(found.len()));
    Ok(found)
}

fn position(offset: u64) -> Position {
    Position { segment: 3, offset }
}

fn checkpoint(index: &mut Index, offset: u64) -> Checkpoint {
    let job = index.begin_checkpoint(position(offset)).expect("none is running");
    let checkpoint = job.run().expect("written");
    index.finish_checkpoint(checkpoint);
    checkpoint
}

fn sum_of(model: &Model) -> [u8; 32] {
    let mut sum = Sum::default();
    model.iter().for_each(|(key, value)| sum.add(&row::element(key, value)));
    sum.to_bytes()
}

/// One random change to both.
fn step(random: &mut StdRng, index: &mut Index, model: &mut Model) {
    let key = vec![random.random_range(0..4), random.random_range(0..60)];
    if random.random_range(0..4) == 0 {
        index.delete(&key);
        model.remove(&key);
    } else {
        let value = vec![random.random(); random.random_range(0..200)];
        index.put(&key, &value);
        model.insert(key, value);
    }
}

fn compare(index: &Index, model: &Model) {
    assert_eq!(rows(index, b"").as_ref(), Ok(model));
    for prefix in 0..5_u8 {
        let under = model.iter().filter(|row| row.0[0] == prefix);
        let under = under.map(|(key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(rows(index, &[prefix]), Ok(under));
        for second in 0..60 {
            let key = [prefix, second];
            assert_eq!(index.get(&key), Ok(model.get(&key[..]).cloned()));
        }
    }
}

#[test]
fn it_is_a_map_whatever_is_dirty_frozen_or_stored() {
    for seed in 0..8 {
        println!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().expect("a directory");
        let mut index = Index::open(dir.path(), None).expect("new");
        let (mut model, mut saved) = (Model::new(), (None, Model::new()));
        for round in 0..25 {
            (0..random.random_range(1..80)).for_each(|_| step(&mut random, &mut index, &mut model));
            match random.random_range(0..4) {
                0 => {
                    drop(index);
                    index = Index::open(dir.path(), saved.0).expect("as it was left");
                    model = saved.1.clone();
                }
                1 => {}
                _ => {
                    let job = index.begin_checkpoint(position(round)).expect("none is running");
                    let then = model.clone();
                    step(&mut random, &mut index, &mut model);
                    compare(&index, &model);
                    let done = job.run().expect("written");
                    step(&mut random, &mut index, &mut model);
                    compare(&index, &model);
                    index.finish_checkpoint(done);
                    let rows = u64::try_from(then.len()).expect("few");
                    let sum = sum_of(&then);
                    assert_eq!(done, Checkpoint { position: position(round), rows, sum });
                    saved = (Some(done), then);
                }
            }
            compare(&index, &model);
        }
    }
}

#[test]
fn more_rows_than_a_batch_holds() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut index = Index::create(dir.path()).expect("created");
    (0..2_501_u64).for_each(|key| index.put(&key.to_be_bytes(), b"value"));
    assert_eq!(index.dirty_rows(), 2_501);
    let done = checkpoint(&mut index, 1);
    assert_eq!((done.rows, index.dirty_rows()), (2_501, 0));
    drop(index);
    let index = Index::open(dir.path(), Some(done)).expect("opened");
    assert_eq!(rows(&index, b"").expect("valid").len(), 2_501);
}

#[test]
fn an_index_that_sled_cannot_follow_is_behind_until_its_checkpoint_begins() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut index = Index::create(dir.path()).expect("created");
    let bytes = usize::try_from(DIRTY_BYTES_DUE).expect("32 MiB");
    for key in 0..BEHIND {
        assert!(!index.is_behind());
        index.put(&key.to_be_bytes(), &vec![0; bytes]);
    }
    assert!(index.is_behind());
    let _job = index.begin_checkpoint(position(1)).expect("none is running");
    let rows = BEHIND * u64::try_from(DIRTY_ROWS_DUE).expect("a count");
    for key in 0..rows {
        assert!(!index.is_behind());
        index.put(&key.to_be_bytes(), b"");
    }
    assert!(index.is_behind());
}

#[test]
fn a_checkpoint_is_due_at_its_bounds() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut index = Index::create(dir.path()).expect("created");
    for key in 0..DIRTY_ROWS_DUE {
        assert!(!index.is_checkpoint_due());
        index.put(&key.to_be_bytes(), b"");
    }
    assert!(index.is_checkpoint_due());
    let _job = index.begin_checkpoint(position(1)).expect("none is running");
    assert!(!index.is_checkpoint_due());
    let bytes = usize::try_from(DIRTY_BYTES_DUE).expect("32 MiB");
    index.put(b"k", &vec![0; bytes - 2]);
    assert!(!index.is_checkpoint_due());
    index.delete(b"l");
    assert!(index.is_checkpoint_due());
    let second = index.begin_checkpoint(position(2)).err();
    assert_eq!(second, Some(IndexError::CheckpointRunning));
}

/// A closed index of 400 rows made by three checkpoints.
fn closed() -> (tempfile::TempDir, Checkpoint, Model) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut index = Index::create(dir.path()).expect("created");
    let (mut model, mut done) = (Model::new(), Checkpoint::default());
    let mut random = StdRng::seed_from_u64(1);
    for round in 0..3 {
        for _ in 0..200 {
            let key = vec![random.random_range(0..2), random.random_range(0..200), 0, 0, 0];
            let value = vec![random.random(); 100];
            index.put(&key, &value);
            model.insert(key, value);
        }
        done = checkpoint(&mut index, round);
    }
    (dir, done, model)
}

fn why(dir: &Path, expect: Option<Checkpoint>) -> Why {
    match Index::open(dir, expect) {
        Err(IndexError::Rebuild { why }) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    }
}

#[test]
fn an_interrupted_checkpoint_is_recognized() {
    let (dir, done, model) = closed();
    let mut index = Index::open(dir.path(), Some(done)).expect("opened");
    assert_eq!(rows(&index, b""), Ok(model));
    index.put(b"new", b"row");
    let job = index.begin_checkpoint(position(9)).expect("none is running");
    job.begin().expect("written");
    drop((job, index));
    assert_eq!(why(dir.path(), Some(done)), Why::Interrupted);
    let index = Index::create(dir.path()).expect("wiped");
    assert_eq!(rows(&index, b""), Ok(Model::new()));
}

#[test]
fn an_index_that_the_journal_does_not_know_is_refused() {
    let (dir, done, _) = closed();
    let others = [
        None,
        Some(Checkpoint { position: position(77), ..done }),
        Some(Checkpoint { rows: done.rows + 1, ..done }),
        Some(Checkpoint { sum: [0; 32], ..done }),
    ];
    for expected in others {
        let mismatch = Why::mismatch(expected, Some(done));
        assert_eq!(why(dir.path(), expected), mismatch);
    }
    let missing = dir.path().join("none");
    let mismatch = Why::mismatch(Some(done), None);
    assert_eq!(why(&missing, Some(done)), mismatch);
    assert_eq!(Checkpoint::from_bytes(&done.to_bytes()), done);
}

#[test]
fn a_row_changed_behind_our_back_is_not_served() {
    let (dir, done, model) = closed();
    let key = model.keys().next().expect("rows").clone();
    let index = Index::open(dir.path(), Some(done)).expect("opened");
    index.db.insert(row::stored_key(&key), &b"12345678other"[..]).expect("inserted");
    let bad = IndexError::from(Why::BadRow { key: row::stored_key(&key) });
    assert_eq!(index.get(&key), Err(bad.clone()));
    assert_eq!(rows(&index, b""), Err(bad));
}

#[test]
fn an_open_index_is_not_wiped_and_a_new_one_leaves_nothing_old() {
    let (dir, done, model) = closed();
    let index = Index::open(dir.path(), Some(done)).expect("opened");
    let second = Index::open(dir.path(), Some(done)).err().expect("locked");
    assert!(matches!(second, IndexError::InUse { .. }), "{second}");
    assert_eq!(rows(&index, b""), Ok(model));
    drop(index);
    drop(Index::open(dir.path(), Some(done)).expect("free again"));
    drop(Index::create(dir.path()).expect("created"));
    drop(Index::create(dir.path()).expect("created"));
    assert!(dir.path().join("sled-2").exists());
    assert!(!dir.path().join("sled-1").join("db").exists());
    assert!(Index::open(dir.path(), None).is_ok());
}

/// Every file of sled's that has bytes, with its bytes.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
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

/// What sled loses without a word must be noticed by us.
#[test]
fn a_flipped_bit_never_loses_or_changes_a_row_silently() {
    let (dir, done, model) = closed();
    let clean = files(dir.path());
    let mut random = StdRng::seed_from_u64(2);
    let (mut told, mut whole) = (0, 0);
    for round in 0..60 {
        let (path, bytes) = &clean[random.random_range(0..clean.len())];
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        let at = used[random.random_range(0..used.len())];
        let bit = random.random_range(0..8);
        let copy = tempfile::tempdir().expect("a directory");
        for (file, bytes) in &clean {
            let to = copy.path().join(file.strip_prefix(dir.path()).expect("inside"));
            fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
            let mut bytes = bytes.clone();
            if file == path {
                bytes[at] ^= 1 << bit;
            }
            fs::write(to, bytes).expect("written");
        }
        println!("round {round}: bit {bit} of byte {at} of {}", path.display());
        let found = Index::open(copy.path(), Some(done)).and_then(|index| rows(&index, b""));
        match found {
            Ok(found) => {
                whole += 1;
                assert_eq!(found, model);
            }
            Err(IndexError::Rebuild { .. }) => told += 1,
            Err(other) => panic!("{other}"),
        }
    }
    println!("{told} told, {whole} whole");
    assert!(told > 0);
}
