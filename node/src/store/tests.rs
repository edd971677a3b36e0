//! The store with a committee of one: what is persisted is there again, whatever happened to the
//! index.

mod amnesia;

use super::*;
use crate::config::StoreConfig;
use crate::index::{Engine, over_both_engines};
use crate::journal::Location;
use consensus::{Mode, Outcome, Proposer, Step, Validator};
use ledger::{
    Address, Genesis, GenesisAsset, GenesisMember, GenesisTokens, Input, Keypair, Name, Network,
    Output, Transfer, VerifiedTransfer,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

over_both_engines!(
    what_is_final_is_there_after_reopening_with_and_without_checkpoints,
    a_wrong_index_is_rebuilt_from_the_journal,
    verify_finds_nothing_wrong_with_a_good_store_and_any_flipped_byte_in_records,
    receipts_in_bulk_stop_after_so_much_was_read_and_never_before_one_batch_was,
    a_snapshot_behind_other_records_is_refused_with_what_to_do,
    another_engine_rebuilds_the_index_from_the_journal_both_ways,
);

pub(crate) fn key(number: u8) -> Keypair {
    Keypair::from_seed([number; 32])
}

pub(crate) fn network() -> Arc<Network> {
    let genesis = Genesis {
        schema: ledger::genesis::GENESIS_SCHEMA.into(),
        network: Name::new("alone").expect("a name"),
        epoch: 0,
        committee: vec![GenesisMember {
            name: Name::new("v0").expect("a name"),
            key: Address(key(1).public()),
            weight: 1,
        }],
        assets: vec![GenesisAsset { name: "QRT".into(), decimals: 3 }],
        tokens: vec![GenesisTokens {
            owner: Address(key(2).public()),
            asset: "QRT".into(),
            amount: "1".into(),
            count: 100,
        }],
    };
    Arc::new(genesis.network().expect("a good genesis"))
}

/// A validator, its proposer and its store, driven by hand.
pub(crate) struct Alone {
    pub network: Arc<Network>,
    pub store: Store,
    pub validator: Validator,
    proposer: Proposer,
    rng: StdRng,
    now_us: u64,
}

thread_local! {
    /// The engine of the index in the test of this thread.
    static ENGINE: Cell<Engine> = const { Cell::new(Engine::Sled) };
}

/// From here on, this test's stores keep their index with this engine.
pub(crate) fn on(engine: Engine) {
    ENGINE.set(engine);
}

/// The store's part of the configuration.
pub(crate) fn config(vote_after_damage: bool) -> StoreConfig {
    StoreConfig { index: ENGINE.get(), vote_after_damage, ..StoreConfig::default() }
}

pub(crate) fn open_alone(home: &Path) -> Alone {
    let network = network();
    if !home.join("journal").exists() {
        first_start::permit(home, &network.id, &key(1)).expect("permitted");
    }
    let opened = open(home, &network, 0, &key(1), &config(false)).expect("it opens");
    assert_eq!((opened.damage, opened.silence), (None, None));
    let mut validator = opened.validator;
    validator.set_mode(Mode::Voting);
    let proposer = Proposer::new(network.clone(), 0, key(1));
    let rng = StdRng::seed_from_u64(1);
    Alone { network, store: opened.store, validator, proposer, rng, now_us: 1 }
}

impl Alone {
    /// Moves genesis token `position` to key `to` and drives it to its end.
    pub fn pay(&mut self, position: usize, to: u8) -> (ledger::TransferId, Option<Outcome>) {
        let made = self.network.tokens().nth(position).expect("there are 100");
        let input = Input { state: made.state, asset: made.asset, amount: made.amount };
        let transfer = Transfer {
            network: self.network.id,
            epoch: 0,
            owner: made.owner,
            inputs: vec![input],
            outputs: vec![Output::Move { input: 0, to: Address(key(to).public()) }],
            memo: String::new(),
        };
        self.send(transfer, 2)
    }

    /// Signs a transfer with key `owner` and drives it to its end.
    pub fn send(&mut self, transfer: Transfer, owner: u8) -> (ledger::TransferId, Option<Outcome>) {
        let signed = transfer.sign(&key(owner));
        let verified = VerifiedTransfer::verify(signed).expect("it is signed");
        self.proposer.submit(self.now_us, self.now_us, &verified);
        let step = self.proposer.poll(self.now_us);
        (verified.id(), self.drive(step))
    }

    fn drive(&mut self, step: Step) -> Option<Outcome> {
        let mut steps = vec![step];
        let mut outcome = None;
        while let Some(step) = steps.pop() {
            self.now_us += 1;
            let tips = self.validator.tips();
            let persisted = self.store.persist(&step.persist, &step.applied, tips, true);
            persisted.expect("the disk is well");
            for (proposal, batch) in step.own {
                steps.push(self.validator.own(self.now_us, proposal, batch));
            }
            for checked in step.certificates {
                steps.push(self.validator.certified(self.now_us, checked));
            }
            for outgoing in step.after {
                if let consensus::Message::Answer(answer) = outgoing.message {
                    steps.push(self.proposer.answered(self.now_us, 0, answer, &mut self.rng));
                }
            }
            if !step.applied.is_empty() {
                steps.push(self.proposer.applied(self.now_us, &step.applied));
            }
            outcome = step.reports.into_iter().map(|report| report.outcome).next().or(outcome);
        }
        outcome
    }

    pub fn checkpoint(&mut self) {
        let live = self.validator.live_records();
        let job = self.store.begin_checkpoint(&live).expect("none is running");
        let done = job.run().expect("its engine is well");
        let deadline = Instant::now() + Duration::from_secs(10);
        self.store.end_checkpoint(done, deadline).expect("the disk is well");
    }

    fn owners(&self) -> Vec<(ledger::TokenId, ledger::Address, u64)> {
        let mut owners: Vec<_> = self
            .validator
            .tips()
            .tokens()
            .map(|(token, tip)| (*token, tip.owner, tip.height))
            .collect();
        owners.sort();
        owners
    }
}

fn check_reopened(home: &Path, before: &[(ledger::TokenId, ledger::Address, u64)], count: u64) {
    let again = open_alone(home);
    assert_eq!(again.owners(), before);
    assert_eq!(again.validator.tips().applied(), count);
    assert_eq!(again.store.line_count(), count);
    let (_, asset) = again.validator.tips().assets().next().expect("QRT");
    assert_eq!((asset.issued, asset.live), (100_000, 100_000));
}

fn what_is_final_is_there_after_reopening_with_and_without_checkpoints(engine: Engine) {
    on(engine);
    let home = tempfile::tempdir().expect("a folder");
    let mut ids = Vec::new();
    let mut before = Vec::new();
    for round in 0..4usize {
        let mut alone = open_alone(home.path());
        for position in 0..5 {
            let (id, outcome) = alone.pay(round * 5 + position, 3);
            assert_eq!(outcome, Some(Outcome::Final));
            ids.push(id);
            if round % 2 == 1 && position == 2 {
                alone.checkpoint();
            }
        }
        before = alone.owners();
        drop(alone);
        check_reopened(home.path(), &before, u64::try_from(ids.len()).expect("few"));
    }
    let alone = open_alone(home.path());
    for id in &ids {
        let receipt = alone.store.receipt(id).expect("readable").expect("it is final");
        let verified = receipt.verify(&alone.network, &mut rand::rng()).expect("it holds");
        assert_eq!(verified.id(), *id);
        assert!(alone.store.is_final(id));
    }
    assert!(!alone.store.is_final(&ledger::TransferId::default()));
    drop(alone);
    std::fs::remove_dir_all(home.path().join("index")).expect("the index is only derived");
    check_reopened(home.path(), &before, 20);
}

fn a_wrong_index_is_rebuilt_from_the_journal(engine: Engine) {
    on(engine);
    let home = tempfile::tempdir().expect("a folder");
    let older = tempfile::tempdir().expect("a folder");
    let mut alone = open_alone(home.path());
    alone.pay(0, 3);
    alone.checkpoint();
    drop(alone);
    copy(&home.path().join("index"), &older.path().join("index"));
    let mut alone = open_alone(home.path());
    alone.pay(1, 3);
    alone.checkpoint();
    let before = alone.owners();
    drop(alone);
    std::fs::remove_dir_all(home.path().join("index")).expect("removing");
    copy(&older.path().join("index"), &home.path().join("index"));
    check_reopened(home.path(), &before, 2);
}

/// With and without a checkpoint, and back again: nothing is lost, and the other files are gone.
fn another_engine_rebuilds_the_index_from_the_journal_both_ways(engine: Engine) {
    on(engine);
    let home = tempfile::tempdir().expect("a folder");
    let other = Engine::ALL.into_iter().find(|other| *other != engine).expect("there are two");
    let mut ids = Vec::new();
    for (round, engine) in [engine, other, engine, other, other].into_iter().enumerate() {
        on(engine);
        let opened = open_unless_first(home.path());
        assert!(opened.is_none_or(|is_rebuilt| is_rebuilt == (round < 4)), "round {round}");
        let index = home.path().join("index");
        let mut alone = open_alone(home.path());
        for position in 0..3 {
            ids.push(alone.pay(round * 3 + position, 3).0);
            if round != 2 && position == 1 {
                alone.checkpoint();
            }
        }
        for id in &ids {
            let receipt = alone.store.receipt(id).expect("readable").expect("it is final");
            receipt.verify(&alone.network, &mut rand::rng()).expect("it holds");
        }
        let before = alone.owners();
        drop(alone);
        assert_eq!(crate::index::Index::engine_in(&index), Some(engine));
        assert_eq!(std::fs::read_dir(&index).expect("readable").count(), 1, "the other is gone");
        check_reopened(home.path(), &before, u64::try_from(ids.len()).expect("few"));
    }
}

/// Whether the index was rebuilt; `None` where there is no store yet.
fn open_unless_first(home: &Path) -> Option<bool> {
    home.join("journal").exists().then(|| {
        let opened = open(home, &network(), 0, &key(1), &config(false)).expect("it opens");
        opened.replayed.1
    })
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("readable").flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copying");
        }
    }
}

fn verify_finds_nothing_wrong_with_a_good_store_and_any_flipped_byte_in_records(engine: Engine) {
    on(engine);
    let home = tempfile::tempdir().expect("a folder");
    let mut alone = open_alone(home.path());
    for position in 0..3 {
        alone.pay(position, 3);
    }
    let end: Location = alone.store.journal().end();
    drop(alone);
    let report = verify(home.path(), &network(), 0, &key(1)).expect("readable");
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(report.applied, 3);
    let path = home.path().join("journal/journal-00000000.seg");
    let good = std::fs::read(&path).expect("the first segment");
    let last = usize::try_from(end.offset).expect("small");
    for at in (last - 600..last).step_by(37) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).expect("writing");
        let report = verify(home.path(), &network(), 0, &key(1)).expect("readable");
        assert!(!report.problems.is_empty(), "flipped byte {at} of {last}");
        let opened = open(home.path(), &network(), 0, &key(1), &config(false)).expect("it opens");
        assert!(opened.damage.is_some(), "flipped byte {at}");
    }
}

fn receipts_in_bulk_stop_after_so_much_was_read_and_never_before_one_batch_was(engine: Engine) {
    on(engine);
    let home = tempfile::tempdir().expect("a folder");
    let mut alone = open_alone(home.path());
    let ids: Vec<_> = (0..4).map(|position| alone.pay(position, 3).0).collect();
    let (answered, read, time) = (usize::MAX, usize::MAX, Duration::from_secs(60));
    let all = receipts::Bounds { answered, read, time };
    let came =
        |ids: &[_], bounds| alone.store.receipts_within(ids, bounds).expect("readable").len();
    assert_eq!(came(&ids, all), 4);
    let batch = alone.store.batch_of(&ids[0]).expect("readable").expect("it is there");
    let bytes = ledger::Canonical::to_bytes(&batch).len();
    assert_eq!(came(&ids, receipts::Bounds { read: bytes + 1, ..all }), 2);
    assert_eq!(came(&ids, receipts::Bounds { read: 0, ..all }), 1);
    assert_eq!(came(&ids, receipts::Bounds { time: Duration::ZERO, ..all }), 1);
    assert_eq!(came(&ids[3..], receipts::Bounds { time: Duration::ZERO, ..all }), 1);
}

fn a_snapshot_behind_other_records_is_refused_with_what_to_do(engine: Engine) {
    on(engine);
    let home = tempfile::tempdir().expect("a folder");
    let mut alone = open_alone(home.path());
    alone.pay(0, 3);
    alone.store.append_snapshot(b"whatever").expect("the disk is well");
    let network = alone.network.clone();
    drop(alone);
    let opened = open(home.path(), &network, 0, &key(1), &config(false));
    let error = opened.err().expect("it makes no sense");
    assert_eq!(error, OpenError::SnapshotPlace);
    assert!(error.to_string().contains("remove the folders journal and index"));
}
