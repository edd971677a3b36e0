//! The log: what was flushed is there again, damage costs what it hit, and a failed disk costs the
//! log only.

use std::{env, fs, path::PathBuf};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use super::*;
use crate::records::{chunk, log::Log};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join(LOG_NAME)
}

fn open(folder: &TempDir, now: u64) -> Records {
    let config = config(100_000, Some(folder.path()));
    Records::open(&config, Arc::new(Memory::new(0)), now).expect("the folder is there")
}

/// Who provides each of these keys; the order may change with a restart.
fn all(records: &Records, now: u64, count: u64) -> Vec<Vec<Provider>> {
    let sorted = |key| {
        let mut found = providers(records, now, key);
        found.sort_by_key(|provider| provider.peer);
        found
    };
    keys(0..count).into_iter().map(sorted).collect()
}

#[test]
fn what_was_flushed_is_there_after_a_restart() {
    let folder = folder();
    let mut rng = StdRng::seed_from_u64(7);
    let (mut now, mut records, mut most) = (NOW, open(&folder, NOW), None);
    for round in 0..60 {
        for _ in 0..20 {
            let mut provider = peer(rng.random_range(0..30));
            if rng.random_range(0..5) == 0 {
                provider.addresses = peer(rng.random_range(0..30)).addresses;
            }
            let first = rng.random_range(0..400);
            let ttl = rng.random_range(0..6 * HOUR);
            let some = keys(first..first + rng.random_range(0..20));
            match rng.random_range(0..6) {
                0 => some.iter().for_each(|key| records.remove(key, &provider.peer)),
                _ => drop(records.provide(now, &provider, ttl, &some)),
            }
            now += rng.random_range(0..100);
        }
        records.flush(now);
        if round % 7 == 0 {
            let before = all(&records, now, 420);
            records = open(&folder, now);
            for (key, (before, after)) in before.iter().zip(all(&records, now, 420)).enumerate() {
                assert_eq!(after, *before, "seed 7, round {round}, key {key}");
            }
            most = before.iter().map(Vec::len).max().max(most);
        }
    }
    assert!(most > Some(4), "{most:?} providers of one key");
    assert_eq!(records.statistics().unpersisted, 0);
    assert_eq!(records.statistics().corrupt_chunks, 0);
}

#[test]
fn what_was_not_flushed_is_not_there() {
    let folder = folder();
    let records = open(&folder, NOW);
    records.provide(NOW, &peer(1), HOUR, &[key(1)]);
    records.flush(NOW);
    records.provide(NOW, &peer(1), HOUR, &[key(2)]);
    assert_eq!(records.statistics().persisted, 1);
    let records = open(&folder, NOW);
    assert_eq!(all(&records, NOW, 3), [vec![], vec![peer(1)], vec![]]);
    let end = NOW + u64::from(HOUR);
    assert_eq!(open(&folder, end).statistics().keys, 0, "expired");
}

/// A log of five flushes, and what it holds.
fn sample(folder: &TempDir) -> Vec<Vec<Provider>> {
    let records = open(folder, NOW);
    for seed in 0..5 {
        records.provide(NOW, &peer(seed), HOUR, &keys(4 * seed..4 * seed + 5));
        records.flush(NOW);
    }
    all(&records, NOW, 25)
}

fn is_part(found: &[Vec<Provider>], whole: &[Vec<Provider>]) -> bool {
    let is_within = |(found, whole): (&Vec<Provider>, &Vec<Provider>)| {
        found.iter().all(|provider| whole.contains(provider))
    };
    found.iter().zip(whole).all(is_within)
}

#[test]
fn a_flipped_bit_costs_one_chunk() {
    let folder = folder();
    let whole = sample(&folder);
    let sound = fs::read(path(&folder)).expect("the log is there");
    let records: usize = whole.iter().map(Vec::len).sum();
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(path(&folder), &bytes).expect("the log can be written");
        let reopened = open(&folder, NOW);
        let found = all(&reopened, NOW, 25);
        assert!(is_part(&found, &whole), "byte {at}");
        let lost = records - found.iter().map(Vec::len).sum::<usize>();
        let wanted = if at < chunk::HEAD_BYTES { 25 } else { 5 };
        assert_eq!(lost, wanted, "byte {at}");
        let is_in_last = at >= sound.len() - (sound.len() - chunk::HEAD_BYTES) / 5;
        let corrupt = reopened.statistics().corrupt_chunks;
        assert!(corrupt == 1 || (is_in_last && corrupt == 0), "byte {at}: {corrupt}");
        reopened.provide(NOW, &peer(9), HOUR, &[key(24)]);
        reopened.flush(NOW);
        assert_eq!(providers(&open(&folder, NOW), NOW, key(24)), [peer(9)], "byte {at}");
    }
}

#[test]
fn a_torn_end_is_cut() {
    let folder = folder();
    let whole = sample(&folder);
    let sound = fs::read(path(&folder)).expect("the log is there");
    for length in 0..sound.len() {
        fs::write(path(&folder), &sound[..length]).expect("the log can be written");
        let reopened = open(&folder, NOW);
        assert!(is_part(&all(&reopened, NOW, 25), &whole), "{length} bytes");
        assert_eq!(reopened.statistics().corrupt_chunks, 0, "{length} bytes");
        reopened.provide(NOW, &peer(9), HOUR, &[key(24)]);
        reopened.flush(NOW);
        assert_eq!(providers(&open(&folder, NOW), NOW, key(24)), [peer(9)], "{length} bytes");
    }
}

#[test]
fn a_damaged_stretch_longer_than_the_window_is_passed() {
    let folder = folder();
    let records = open(&folder, NOW);
    for seed in 0..50 {
        records.provide(NOW, &peer(seed), HOUR, &keys(2_000 * seed..2_000 * (seed + 1)));
        records.flush(NOW);
    }
    let mut bytes = fs::read(path(&folder)).expect("the log is there");
    let end = bytes.len() - 200_000;
    assert!(end > 2 << 20);
    bytes[100_000..end].fill(0);
    fs::write(path(&folder), &bytes).expect("the log can be written");
    let statistics = open(&folder, NOW).statistics();
    assert_eq!(statistics.corrupt_chunks, 1);
    assert!((6_000..=10_000).contains(&statistics.keys), "{statistics:?}");
}

#[test]
fn a_grown_log_is_written_anew() {
    let folder = folder();
    let records = open(&folder, NOW);
    let (mut now, mut longest) = (NOW, 0);
    for round in 0..100_u64 {
        now += 600;
        for seed in 0..4 {
            records.provide(now, &peer(seed), HOUR, &keys(1_000 * seed..1_000 * seed + 900));
        }
        records.provide(now, &peer(round), 2 * HOUR, &keys(4_000..4_010));
        records.remove(&key(4_005), &peer(round).peer);
        records.flush(now);
        let bytes = records.log.lock().as_ref().expect("the log runs").bytes();
        assert_eq!(bytes, fs::metadata(path(&folder)).expect("the log is there").len());
        longest = longest.max(bytes);
    }
    assert!((900 << 10..1_200 << 10).contains(&longest), "{longest} bytes; 10 MB were written");
    let before = all(&records, now, 4_020);
    let records = open(&folder, now);
    assert_eq!(all(&records, now, 4_020), before);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn announcing_over_and_over_writes_nothing() {
    let folder = folder();
    let records = open(&folder, NOW);
    for second in 0..60 {
        records.provide(NOW + second, &peer(1), HOUR, &keys(0..100));
        records.flush(NOW + second);
    }
    assert_eq!(records.statistics().persisted, 100);
}

#[test]
fn too_much_at_once_is_kept_in_memory_only() {
    let folder = folder();
    let records = open(&folder, NOW);
    for seed in 0..40 {
        records.provide(NOW, &peer(seed % 4), HOUR, &keys(4_096 * seed..4_096 * (seed + 1)));
    }
    let kept = records.statistics().keys;
    assert_eq!(kept, 100_000);
    for seed in 0..20 {
        records.provide(NOW, &peer(10 + seed % 5), HOUR, &keys(4_096 * seed..4_096 * (seed + 1)));
    }
    records.flush(NOW);
    let Statistics { persisted, unpersisted, providers, .. } = records.statistics();
    assert!(unpersisted > 0);
    assert!(persisted * 32 <= u64::try_from(PENDING_BYTES_MAX).expect("a small number"));
    assert_eq!(persisted + unpersisted, u64::try_from(providers).expect("a small number"));
}

#[test]
fn a_full_disk_stops_the_log_and_not_the_memory() {
    let folder = folder();
    let records = open(&folder, NOW);
    *records.log.lock() = Some(Log::on_full_disk());
    records.flush(NOW);
    assert!(!records.statistics().is_log_stopped, "nothing was to be written");
    for seed in 0..3 {
        assert_eq!(records.provide(NOW, &peer(1), HOUR, &[key(seed)]), [Stored::New]);
        records.flush(NOW);
    }
    let Statistics { persisted, unpersisted, keys, is_log_stopped, .. } = records.statistics();
    assert_eq!((persisted, unpersisted, keys, is_log_stopped), (0, 1, 3, true));
    assert_eq!(providers(&records, NOW, key(2)), [peer(1)]);
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let folder = folder();
    let config = config(10, Some(&folder.path().join("missing")));
    let opened = Records::open(&config, Arc::new(Memory::new(0)), NOW);
    assert_eq!(opened.err(), Some(StoreError::Disk(std::io::ErrorKind::NotFound)));
}

/// The log's bytes; a difference makes older logs unreadable.
#[test]
fn golden() {
    let salt = *b"saltsalt";
    let stored = chunk::Group {
        is_removal: false,
        provider: peer(1),
        expires: 1_800_000_000,
        keys: keys(0..3),
    };
    let removed = chunk::Group { is_removal: true, keys: keys(1..2), ..stored.clone() };
    let groups = [stored, removed];
    let mut bytes = chunk::head(salt);
    chunk::put_chunks(&mut bytes, salt, &groups);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<&str> =
        (0..hex.len()).step_by(64).map(|at| &hex[at..hex.len().min(at + 64)]).collect();
    let text = lines.join("\n") + "\n";
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/records-log.hex");
    if env::var_os("QUORATE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&file, &text).expect("the golden directory can be written");
    }
    assert_eq!(text, fs::read_to_string(&file).unwrap_or_default(), "{}", file.display());
    assert_eq!(chunk::salt_of(&bytes), Some(salt));
    let (read, length) = chunk::open(salt, &bytes[chunk::HEAD_BYTES..]).expect("golden bytes");
    assert_eq!((read.as_slice(), length), (groups.as_slice(), bytes.len() - chunk::HEAD_BYTES));
}
