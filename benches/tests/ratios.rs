//! Ratios that hold on any machine and under any load: both sides are measured in one run, and the
//! bytes are counted. Times in absolute terms are for the benches.

use benches::wire::Exchange;
use benches::{Fixture, rng};
use consensus::judge::judge;
use consensus::{CheckedCertificate, Judge, Verdict};
use ledger::Phase;
use ledger::key::{Signed, verify_batch};
use node::pipeline::dht_check::dht_check;
use node::pipeline::hash::hash;
use node::pipeline::pin_check::pin_check;
use node::pipeline::prefetch::prefetch;
use rayon::ThreadPoolBuilder;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Pairs of measurements; the best of each side counts, as load only ever adds time.
const ROUNDS: usize = 7;

#[test]
fn batched_signatures_cost_at_most_two_thirds_of_single_ones() {
    let transfers = Fixture::new(256).transfers(256);
    let statements: Vec<Vec<u8>> =
        transfers.iter().map(|signed| signed.transfer.statement(signed.transfer.id())).collect();
    let items: Vec<Signed<'_>> = transfers
        .iter()
        .zip(&statements)
        .map(|(signed, message)| {
            let key = signed.transfer.owner.0;
            Signed { key, signature: signed.signature, message }
        })
        .collect();
    let mut rng = rng();
    let (mut single, mut batch) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for item in &items {
            assert!(black_box(item).key.verifies(&item.signature, item.message));
        }
        single = single.min(start.elapsed());
        let start = Instant::now();
        assert!(verify_batch(black_box(&items), &mut rng).iter().all(|valid| *valid));
        batch = batch.min(start.elapsed());
    }
    eprintln!("256 signatures: {single:?} one by one, {batch:?} together");
    assert!(batch * 3 <= single * 2, "{batch:?} against {single:?}");
}

#[test]
fn a_certificate_costs_less_than_its_votes_under_keys_that_are_not_known_beforehand() {
    let fixture = Fixture::new(8);
    let (_, batch) = fixture.propose(fixture.transfers(8));
    let certificate = fixture.certificate(Phase::Commit, &batch);
    let votes = certificate.votes();
    let network = &fixture.network;
    let statements: Vec<Vec<u8>> =
        votes.iter().map(|vote| vote.ballot.statement(&network.id)).collect();
    let items: Vec<Signed<'_>> = votes
        .iter()
        .zip(&statements)
        .map(|(vote, message)| {
            let key = network.committee.member(vote.member).expect("a member").key;
            Signed { key, signature: vote.signature, message }
        })
        .collect();
    let mut rng = rng();
    let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS * 20 {
        let start = Instant::now();
        let checked = CheckedCertificate::check(certificate.clone(), network, &mut rng);
        known = known.min(start.elapsed());
        assert!(checked.is_ok());
        let start = Instant::now();
        assert!(verify_batch(black_box(&items), &mut rng).iter().all(|valid| *valid));
        unknown = unknown.min(start.elapsed());
    }
    eprintln!("five votes: {known:?} with the committee's table, {unknown:?} without");
    assert!(known < unknown, "{known:?} against {unknown:?}");
}

#[test]
fn the_pipeline_takes_at_most_two_thirds_of_the_sequential_check() {
    let fixture = Fixture::new(512);
    let (proposal, _) = fixture.propose(fixture.transfers(512));
    let job = Judge { proposal, only: None };
    let validator = fixture.validator();
    let pool = ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
    let (mut staged, mut sequential) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let judged = pool.install(|| {
            let hashed = hash(&fixture.network, prefetch(&validator, job.clone()));
            dht_check(pin_check(|_| false, hashed), None, false)
        });
        staged = staged.min(start.elapsed());
        assert!(judged.verdicts.iter().all(|verdict| *verdict == Some(Verdict::Valid)));
        let start = Instant::now();
        let judged = judge(validator.tips(), job.proposal.clone(), None, &mut rng());
        sequential = sequential.min(start.elapsed());
        assert!(judged.is_signed);
    }
    eprintln!("512 transfers: {staged:?} in stages, {sequential:?} one after the other");
    assert!(staged * 3 <= sequential * 2, "{staged:?} against {sequential:?}");
}

#[test]
fn a_transfer_takes_at_most_300_bytes_in_a_batch_before_compression() {
    let found = Exchange::of(&Fixture::new(1_000), 1_000);
    assert!(found.raw <= 300 * 1_000, "{found:?}");
    assert!(found.proposal < found.raw, "{found:?}");
}

#[test]
fn a_batch_and_its_votes_take_at_most_a_quarter_of_json_one_by_one() {
    let found = Exchange::of(&Fixture::new(1_000), 1_000);
    assert!(found.batched() * 4 <= found.json(), "{found:?}");
}
