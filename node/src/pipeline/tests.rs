//! The pipeline gives the verdicts of the slow sequential form, on random workloads.

use super::dht_check::Findings;
use super::*;
use crate::store::{self, Store};
use consensus::{Batch, Cause, Judged, Proposal, Validator, Verdict};
use ledger::{Address, Entry, Input, Keypair, Network, Output, Signature, Transfer};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

fn key(number: u8) -> Keypair {
    Keypair::from_seed([number; 32])
}

fn staged(validator: &Validator, store: &Store, network: &Network, job: Judge) -> Judged {
    let prefetched = prefetch::prefetch(validator, job);
    let hashed = hash::hash(network, prefetched);
    dht_check::dht_check(pin_check::pin_check(|id| store.is_final(id), hashed), None, false)
}

/// A transfer of genesis token `position`, damaged in a random way or not.
fn entry(network: &Network, position: usize, rng: &mut impl Rng) -> Entry {
    let made = network.tokens().nth(position).expect("there are 100");
    let mut transfer = Transfer {
        network: network.id,
        epoch: 0,
        owner: made.owner,
        inputs: vec![Input { state: made.state, asset: made.asset, amount: made.amount }],
        outputs: vec![Output::Move { input: 0, to: Address(key(3).public()) }],
        memo: String::new(),
    };
    let signer = match rng.random_range(0..12u8) {
        0 => key(9),
        1 => {
            transfer.epoch = 1;
            key(2)
        }
        2 => {
            transfer.inputs[0].state.height = 7;
            key(2)
        }
        3 => {
            transfer.inputs[0].amount += 1;
            key(2)
        }
        4 => {
            transfer.owner = Address(key(4).public());
            key(4)
        }
        5 => {
            transfer.outputs =
                vec![Output::Create { asset: made.asset, amount: made.amount + 1, to: made.owner }];
            key(2)
        }
        _ => key(2),
    };
    let mut signed = transfer.sign(&signer);
    if rng.random_range(0..15u8) == 0 {
        signed.signature = Signature([7; 64]);
    }
    Entry::ordinary(signed)
}

#[test]
fn the_pipeline_equals_the_reference() {
    let home = tempfile::tempdir().expect("a folder");
    let network = store::tests_network();
    let opened = store::open(home.path(), &network, 0, &key(1), &store::tests_config(false))
        .expect("it opens");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let mut rng = StdRng::seed_from_u64(seed);
        let count = [1, 5, 20, 90][usize::try_from(seed % 4).expect("small")];
        let entries: Vec<Entry> = (0..count).map(|i| entry(&network, i, &mut rng)).collect();
        let batch = Batch::new(entries);
        let mut proposal = Proposal::sign(&batch, &network.id, 0, 0, &key(1));
        match seed % 10 {
            7 => proposal.claimed = Default::default(),
            8 => proposal.signature = Signature([1; 64]),
            _ => {}
        }
        let proposal = Arc::new(proposal);
        let expected = consensus::judge::judge(
            opened.validator.tips(),
            proposal.clone(),
            None,
            &mut rand::rng(),
        );
        let job = Judge { proposal, only: None };
        let found = pool.install(|| staged(&opened.validator, &opened.store, &network, job));
        assert_eq!(found.verdicts, expected.verdicts, "seed {seed}");
        assert_eq!(found.batch, expected.batch, "seed {seed}");
        if found.batch.is_ok() {
            assert_eq!(found.is_signed, expected.is_signed, "seed {seed}");
        }
        kinds.extend(found.verdicts.into_iter().flatten().map(|verdict| match verdict {
            Verdict::Invalid(refusal) => refusal.code(),
            Verdict::Valid => "valid",
            Verdict::Unknown(_) => "unknown",
        }));
    }
    let wanted = ["bad_signature", "not_owner", "other_epoch", "unbalanced", "unknown", "valid"];
    for wanted in wanted.into_iter().chain(["wrong_value"]) {
        assert!(kinds.contains(wanted), "{wanted} in {kinds:?}");
    }
}

#[test]
fn trusted_network_skips_the_dht_stage_and_nothing_else() {
    let home = tempfile::tempdir().expect("a folder");
    let network = store::tests_network();
    let opened = store::open(home.path(), &network, 0, &key(1), &store::tests_config(false))
        .expect("it opens");
    let mut rng = StdRng::seed_from_u64(3);
    let entries: Vec<Entry> = (0..60).map(|i| entry(&network, i, &mut rng)).collect();
    let proposal = Proposal::sign(&Batch::new(entries), &network.id, 0, 0, &key(1));
    let job = Judge { proposal: Arc::new(proposal), only: None };
    let prefetched = || prefetch::prefetch(&opened.validator, job.clone());
    let states: Vec<_> = prefetched().open_states().collect();
    let stages = |findings: Option<&Findings>, is_strict| {
        let checked = pin_check::pin_check(
            |id| opened.store.is_final(id),
            hash::hash(&network, prefetched()),
        );
        dht_check::dht_check(checked, findings, is_strict).verdicts
    };
    let trusted = stages(None, false);
    let silent = Findings::silent(&states);
    assert_eq!(stages(Some(&silent), false), trusted, "silence is no veto");
    let mut valid = 0;
    for (trusted, strict) in trusted.into_iter().zip(stages(Some(&silent), true)) {
        match trusted {
            Some(Verdict::Valid) => {
                assert_eq!(strict, Some(Verdict::Unknown(Cause::DhtSilent)));
                valid += 1;
            }
            other => assert_eq!(other, strict),
        }
    }
    assert!(valid > 0);
}
