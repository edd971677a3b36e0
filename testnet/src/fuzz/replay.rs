//! A validator rebuilt from records: those that a run has written, left out, doubled, swapped,
//! changed. They are refused, or the tips that they make are sound; what goes on from there does
//! not panic. The journal's own checks are not here: this is what is behind them.

use super::Target;
use super::fixture::{self, MEMBERS};
use super::objects;
use super::script::Script;
use consensus::{Mode, Record, Tips, Validator};
use ledger::{Entry, Phase};
use std::sync::{Arc, LazyLock};

/// The target.
pub const TARGET: Target =
    Target { name: "replay", check, seeds, bytes_max: 1_024, memory_max: (16 << 20, 64) };

/// Most records of one script.
const RECORDS_MAX: usize = 40;
/// Most changes of one record.
const CHANGES_MAX: usize = 2;
/// Time that passes for what was rebuilt, µs.
const TIMES_US: [u64; 3] = [1, 5_000_000, 700_000_000];

/// Payloads by kind: of the usual life of a batch, of one in round 2, and of two that conflict.
static RECORDS: LazyLock<Vec<(u8, Vec<u8>)>> = LazyLock::new(|| {
    let mut records = objects::records();
    let more = [
        vec![fixture::refresh(1, 2)],
        vec![Entry::ordinary(fixture::pay(4, "one")), Entry::ordinary(fixture::pay(5, "a"))],
        vec![Entry::ordinary(fixture::pay(4, "other"))],
    ];
    for (member, entries) in (1..).zip(more) {
        let (proposal, batch) = fixture::batch(member, entries);
        let bitmap = ledger::Bitmap::from_bools(&vec![true; batch.count()]);
        let certified = |phase| consensus::record::Certified {
            certificate: fixture::certificate(phase, &batch),
            bitmap: bitmap.clone(),
        };
        let batch_id = batch.id();
        records.push(Record::Batch(Arc::new(proposal)));
        let locked = consensus::record::Locked { batch: batch_id, bitmap: bitmap.clone() };
        records.push(Record::Locked(locked));
        records.push(Record::Accepted(certified(Phase::Lock)));
        records.push(Record::Applied(certified(Phase::Commit)));
    }
    records.iter().map(|record| (record.kind(), record.payload())).collect()
});

/// Replays what a script picks, until it is refused.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    let network = fixture::network().clone();
    let tips = Tips::genesis(network.clone());
    let mut validator = Validator::new(network, 0, fixture::member_key(0).clone(), tips);
    for _ in 0..RECORDS_MAX {
        if script.is_over() {
            break;
        }
        let choice = usize::from(script.byte());
        let (kind, payload) = RECORDS[choice % RECORDS.len()].clone();
        let payload = match choice / RECORDS.len() {
            0..8 => payload,
            _ => script.changed(&payload, CHANGES_MAX),
        };
        let Ok(Some(record)) = Record::read(kind, &payload) else { continue };
        if validator.replay(record).is_err() {
            break;
        }
    }
    validator.replayed_all();
    validator.set_mode(Mode::Voting);
    sound(validator.tips());
    goes_on(validator, &mut script);
}

fn sound(tips: &Tips) {
    for (id, asset) in tips.assets() {
        let of = tips.tokens().filter(|(_, tip)| tip.asset == *id && tip.ended_by.is_none());
        let live: u128 = of.map(|(_, tip)| u128::from(tip.amount)).sum();
        assert_eq!(live, u128::from(asset.issued), "value is constant");
    }
}

/// Time passes, an owner recovers, certificates and batches come.
fn goes_on(mut validator: Validator, script: &mut Script<'_>) {
    for now_us in TIMES_US {
        validator.tick(now_us);
    }
    let now_us = TIMES_US[2];
    let state = fixture::coin(script.below(12)).state;
    let owner = script.byte() % fixture::OWNERS;
    validator.recover(1, &fixture::recover(owner, 4, vec![state]));
    let from = u16::from(script.byte()) % MEMBERS;
    let (proposal, batch) = fixture::batch(from, fixture::entries());
    let step = validator.proposed(now_us, from, Arc::new(proposal));
    for wanted in step.judge {
        let only = wanted.only.as_ref();
        let judged =
            consensus::judge::judge(validator.tips(), wanted.proposal, only, &mut fixture::rng());
        validator.judged(now_us, judged);
    }
    for phase in [Phase::Lock, Phase::Commit] {
        validator.certified(now_us, fixture::checked(fixture::certificate(phase, &batch)));
    }
    sound(validator.tips());
    validator.live_records();
}

/// In order, without some, and changed ones.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let count = u8::try_from(RECORDS.len()).expect("a few");
    let all: Vec<u8> = (0..count).collect();
    let mut seeds = vec![("all".to_string(), all.clone())];
    for left_out in 0..count {
        let rest: Vec<u8> = all.iter().copied().filter(|record| *record != left_out).collect();
        seeds.push((format!("without-{left_out:02}"), rest));
        if let Some(changed) = left_out.checked_add(count * 8) {
            let script = [&all[..usize::from(left_out)], &[changed, 0, 2, 9]].concat();
            seeds.push((format!("changed-{left_out:02}"), script));
        }
    }
    seeds
}
