//! The index against a `BTreeMap`, through checkpoints, reopening, interruption and rot.

mod damage;

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

over_both_engines!(
    it_is_a_map_whatever_is_dirty_frozen_or_stored,
    more_rows_than_a_batch_holds,
    an_index_that_its_engine_cannot_follow_is_behind_until_its_checkpoint_begins,
    a_checkpoint_is_due_at_its_bounds,
    an_index_that_the_journal_does_not_know_is_refused,
    a_row_changed_behind_our_back_is_not_served,
    an_open_index_is_not_wiped_and_a_new_one_leaves_nothing_old,
    an_interrupted_checkpoint_is_recognized_or_left_no_trace,
    the_files_of_another_engine_are_told_and_removed,
    many_checkpoints_are_merged_and_lose_nothing,
);

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
    drop(index.finish_checkpoint(checkpoint));
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

fn it_is_a_map_whatever_is_dirty_frozen_or_stored(engine: Engine) {
    for seed in 0..8 {
        println!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().expect("a directory");
        let mut index = Index::open(dir.path(), engine, None).expect("new");
        let (mut model, mut saved) = (Model::new(), (None, Model::new()));
        for round in 0..25 {
            (0..random.random_range(1..80)).for_each(|_| step(&mut random, &mut index, &mut model));
            match random.random_range(0..4) {
                0 => {
                    drop(index);
                    index = Index::open(dir.path(), engine, saved.0).expect("as it was left");
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
                    drop(index.finish_checkpoint(done));
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

fn more_rows_than_a_batch_holds(engine: Engine) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut index = Index::create(dir.path(), engine).expect("created");
    (0..2_501_u64).for_each(|key| index.put(&key.to_be_bytes(), b"value"));
    assert_eq!(index.dirty_rows(), 2_501);
    let done = checkpoint(&mut index, 1);
    assert_eq!((done.rows, index.dirty_rows()), (2_501, 0));
    drop(index);
    let index = Index::open(dir.path(), engine, Some(done)).expect("opened");
    assert_eq!(rows(&index, b"").expect("valid").len(), 2_501);
}

fn an_index_that_its_engine_cannot_follow_is_behind_until_its_checkpoint_begins(engine: Engine) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut index = Index::create(dir.path(), engine).expect("created");
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

fn a_checkpoint_is_due_at_its_bounds(engine: Engine) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut index = Index::create(dir.path(), engine).expect("created");
    for key in 0..DIRTY_ROWS_DUE {
        assert!(index.fullness_percent() < 100);
        index.put(&key.to_be_bytes(), b"");
    }
    assert!(index.fullness_percent() >= 100);
    let _job = index.begin_checkpoint(position(1)).expect("none is running");
    assert!(index.fullness_percent() < 100);
    let bytes = usize::try_from(DIRTY_BYTES_DUE).expect("32 MiB");
    index.put(b"k", &vec![0; bytes - 2]);
    assert!(index.fullness_percent() < 100);
    index.delete(b"l");
    assert!(index.fullness_percent() >= 100);
    let second = index.begin_checkpoint(position(2)).err();
    assert_eq!(second, Some(IndexError::CheckpointRunning));
}

/// A closed index of 400 rows made by three checkpoints.
fn closed(engine: Engine) -> (tempfile::TempDir, Checkpoint, Model) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut index = Index::create(dir.path(), engine).expect("created");
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

fn why(dir: &Path, engine: Engine, expect: Option<Checkpoint>) -> Why {
    match Index::open(dir, engine, expect) {
        Err(IndexError::Rebuild { why }) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    }
}

/// sled has a part of the rows then, fjall has none of them.
fn an_interrupted_checkpoint_is_recognized_or_left_no_trace(engine: Engine) {
    let (dir, done, model) = closed(engine);
    let mut index = Index::open(dir.path(), engine, Some(done)).expect("opened");
    assert_eq!(rows(&index, b"").as_ref(), Ok(&model));
    (0..2_500_u64).for_each(|key| index.put(&key.to_be_bytes(), b"new"));
    model.keys().take(50).for_each(|key| index.delete(key));
    let job = index.begin_checkpoint(position(9)).expect("none is running");
    job.run_by_half().expect("written");
    drop((job, index));
    match engine {
        Engine::Sled => assert_eq!(why(dir.path(), engine, Some(done)), Why::Interrupted),
        Engine::Fjall => {
            let mut index = Index::open(dir.path(), engine, Some(done)).expect("as it was");
            compare(&index, &model);
            index.put(b"new", b"row");
            let done = checkpoint(&mut index, 10);
            drop(index);
            drop(Index::open(dir.path(), engine, Some(done)).expect("and it goes on"));
        }
    }
    let index = Index::create(dir.path(), engine).expect("wiped");
    assert_eq!(rows(&index, b""), Ok(Model::new()));
}

fn an_index_that_the_journal_does_not_know_is_refused(engine: Engine) {
    let (dir, done, _) = closed(engine);
    let others = [
        None,
        Some(Checkpoint { position: position(77), ..done }),
        Some(Checkpoint { rows: done.rows + 1, ..done }),
        Some(Checkpoint { sum: [0; 32], ..done }),
    ];
    for expected in others {
        let mismatch = Why::mismatch(expected, Some(done));
        assert_eq!(why(dir.path(), engine, expected), mismatch);
    }
    let missing = dir.path().join("none");
    let mismatch = Why::mismatch(Some(done), None);
    assert_eq!(why(&missing, engine, Some(done)), mismatch);
    assert_eq!(Checkpoint::from_bytes(&done.to_bytes()), done);
}

fn a_row_changed_behind_our_back_is_not_served(engine: Engine) {
    let (dir, done, model) = closed(engine);
    let key = model.keys().next().expect("rows").clone();
    let index = Index::open(dir.path(), engine, Some(done)).expect("opened");
    let mut writer = index.backend.begin().expect("begun");
    let other = b"12345678other".to_vec();
    writer.change(row::stored_key(&key), Some(other)).expect("written");
    writer.end(b"no checkpoint".to_vec()).expect("written");
    let bad = IndexError::from(Why::BadRow { key: row::stored_key(&key) });
    assert_eq!(index.get(&key), Err(bad.clone()));
    assert_eq!(rows(&index, b""), Err(bad));
}

fn an_open_index_is_not_wiped_and_a_new_one_leaves_nothing_old(engine: Engine) {
    let (dir, done, model) = closed(engine);
    let index = Index::open(dir.path(), engine, Some(done)).expect("opened");
    for other in Engine::ALL {
        let second = Index::open(dir.path(), other, Some(done)).err().expect("locked");
        assert!(matches!(second, IndexError::InUse { .. }), "{second}");
    }
    assert_eq!(rows(&index, b""), Ok(model));
    drop(index);
    drop(Index::open(dir.path(), engine, Some(done)).expect("free again"));
    drop(Index::create(dir.path(), engine).expect("created"));
    drop(Index::create(dir.path(), engine).expect("created"));
    assert!(dir.path().join(format!("{engine}-2")).exists());
    assert!(!dir.path().join(format!("{engine}-1")).join(engine.lock_file()).exists());
    assert!(Index::open(dir.path(), engine, None).is_ok());
}

fn the_files_of_another_engine_are_told_and_removed(engine: Engine) {
    let (dir, done, _) = closed(engine);
    let wanted = Engine::ALL.into_iter().find(|other| *other != engine).expect("there are two");
    assert_eq!(Index::engine_in(dir.path()), Some(engine));
    let other = Why::OtherEngine { found: engine, wanted };
    assert_eq!(why(dir.path(), wanted, Some(done)), other);
    assert_eq!(why(dir.path(), wanted, None), other);
    let mut index = Index::create(dir.path(), wanted).expect("created");
    assert_eq!(rows(&index, b""), Ok(Model::new()));
    index.put(b"new", b"row");
    let done = checkpoint(&mut index, 1);
    drop(index);
    assert_eq!(Index::engine_in(dir.path()), Some(wanted));
    assert!(
        damage::files(dir.path()).iter().all(|(path, _)| path.to_string_lossy().contains("-1/"))
    );
    let index = Index::open(dir.path(), wanted, Some(done)).expect("opened");
    assert_eq!(index.get(b"new"), Ok(Some(b"row".to_vec())));
}

/// More than an engine keeps side by side.
fn many_checkpoints_are_merged_and_lose_nothing(engine: Engine) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut index = Index::create(dir.path(), engine).expect("created");
    let (mut model, mut random) = (Model::new(), StdRng::seed_from_u64(3));
    for round in 0..40 {
        (0..150).for_each(|_| step(&mut random, &mut index, &mut model));
        let reader = index.backend.scan(b"r");
        let before = model.len();
        let done = checkpoint(&mut index, round);
        assert_eq!(done.sum, sum_of(&model));
        // A reader that began before reads on, whatever is merged meanwhile.
        assert!(reader.take(before).all(|row| row.is_ok()));
        compare(&index, &model);
        if round % 10 == 9 {
            drop(index);
            index = Index::open(dir.path(), engine, Some(done)).expect("as it was left");
        }
    }
}
