//! A store that was lost, damaged or rolled back is silent, for good; a first start is not.

use super::*;
use crate::store::silence;
use std::fs;

over_both_engines!(
    a_first_start_is_permitted_once,
    a_lost_store_is_silent_for_good_until_the_operator_overrides_it,
    a_crash_at_any_step_of_the_first_start_leaves_a_first_start_or_a_started_store,
    a_permission_for_another_network_or_key_or_beside_an_index_permits_nothing,
    a_mark_that_makes_no_sense_is_a_mark,
    damage_silences_also_when_the_files_are_put_back,
    a_rolled_back_store_meets_its_own_votes_and_votes_no_more,
);

fn permitted() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a folder");
    first_start::permit(home.path(), &network().id, &key(1)).expect("permitted");
    home
}

/// Opens and closes the store; returns why it is silent.
fn start(home: &Path, accept: bool) -> Option<Cause> {
    let opened = open(home, &network(), 0, &key(1), &config(accept)).expect("it opens");
    let is_silent = opened.validator.mode() == Mode::Silent;
    assert_eq!(is_silent, opened.silence.is_some());
    assert_eq!(
        opened.silence,
        Silence::read(&crate::journal::System, home).expect("readable"),
        "it is on disk"
    );
    assert!(!first_start::path(home).exists(), "no permission outlives a start");
    opened.silence.map(|silence| silence.cause)
}

fn lose_journal(home: &Path) {
    fs::remove_dir_all(home.join("journal")).expect("it was there");
}

fn a_first_start_is_permitted_once(engine: Engine) {
    on(engine);
    let home = permitted();
    assert_eq!(start(home.path(), false), None);
    assert_eq!(start(home.path(), false), None, "its journal is there");
    lose_journal(home.path());
    assert_eq!(start(home.path(), false), Some(Cause::StoreLost));
}

fn a_lost_store_is_silent_for_good_until_the_operator_overrides_it(engine: Engine) {
    on(engine);
    let home = permitted();
    assert_eq!(start(home.path(), false), None);
    fs::remove_dir_all(home.path()).expect("all of it is lost");
    fs::create_dir(home.path()).expect("made anew");
    for _ in 0..3 {
        assert_eq!(start(home.path(), false), Some(Cause::StoreLost));
    }
    assert_eq!(start(home.path(), true), None);
    assert_eq!(start(home.path(), false), None, "one start with the flag is enough");
    lose_journal(home.path());
    assert_eq!(start(home.path(), false), Some(Cause::StoreLost), "and is for one loss");
    // Lost and overridden in one start.
    let other = tempfile::tempdir().expect("a folder");
    assert_eq!(start(other.path(), true), None);
    assert_eq!(start(other.path(), false), None);
}

fn a_crash_at_any_step_of_the_first_start_leaves_a_first_start_or_a_started_store(engine: Engine) {
    on(engine);
    // Before the journal has its name.
    let home = permitted();
    fs::create_dir(home.path().join("journal")).expect("made");
    fs::write(home.path().join("journal/journal-00000000.new"), b"torn").expect("written");
    assert_eq!(start(home.path(), false), None);
    // After the journal, before the permission is removed: with it, and with the journal lost then.
    for is_lost in [false, true] {
        let home = permitted();
        let text = fs::read(first_start::path(home.path())).expect("the permission");
        assert_eq!(start(home.path(), false), None);
        fs::remove_dir_all(home.path().join("index")).expect("not made yet");
        fs::write(first_start::path(home.path()), text).expect("still there");
        if is_lost {
            lose_journal(home.path());
        }
        assert_eq!(start(home.path(), false), None);
        lose_journal(home.path());
        assert_eq!(start(home.path(), false), Some(Cause::StoreLost));
    }
    // A lost store, after the mark and before the new journal: also with a permission put there.
    let home = permitted();
    Silence::new(Cause::StoreLost, "").keep(home.path()).expect("written");
    assert_eq!(start(home.path(), false), Some(Cause::StoreLost));
}

fn a_permission_for_another_network_or_key_or_beside_an_index_permits_nothing(engine: Engine) {
    on(engine);
    let other = ledger::NetworkId::default();
    for (network_id, number) in [(other, 1), (network().id, 2)] {
        let home = tempfile::tempdir().expect("a folder");
        first_start::permit(home.path(), &network_id, &key(number)).expect("written");
        assert_eq!(start(home.path(), false), Some(Cause::StoreLost));
    }
    for bytes in [&b""[..], b"quorate.first-start/1\n", &[0xff; 2_000]] {
        let home = tempfile::tempdir().expect("a folder");
        fs::write(first_start::path(home.path()), bytes).expect("written");
        assert_eq!(start(home.path(), false), Some(Cause::StoreLost));
    }
    let home = permitted();
    assert_eq!(start(home.path(), false), None);
    lose_journal(home.path());
    first_start::permit(home.path(), &network().id, &key(1)).expect("copied back");
    assert_eq!(start(home.path(), false), Some(Cause::StoreLost), "its index tells");
}

fn a_mark_that_makes_no_sense_is_a_mark(engine: Engine) {
    on(engine);
    let long = [b'x'; 10_000];
    for bytes in [&b""[..], b"quorate.silent/2\nfork\n", b"quorate.silent/1\nno_word\n", &long] {
        let home = permitted();
        fs::write(silence::path(home.path()), bytes).expect("written");
        assert_eq!(start(home.path(), false), Some(Cause::Unreadable));
    }
    let home = permitted();
    let kept = Silence::new(Cause::Fork, "of a token\nand more");
    kept.keep(home.path()).expect("written");
    Silence::new(Cause::StoreLost, "").keep(home.path()).expect("the first one stays");
    let found = Silence::read(&crate::journal::System, home.path()).expect("readable");
    assert_eq!(found, Some(Silence { cause: Cause::Fork, seen: "of a token".into() }));
    assert!(found.expect("there").to_string().contains("vote_after_damage"));
}

fn damage_silences_also_when_the_files_are_put_back(engine: Engine) {
    on(engine);
    let home = permitted();
    let mut alone = open_alone(home.path());
    alone.pay(0, 3);
    let end = alone.store.journal().end();
    drop(alone);
    let path = home.path().join("journal/journal-00000000.seg");
    let good = fs::read(&path).expect("the first segment");
    let mut bad = good.clone();
    bad[usize::try_from(end.offset).expect("small") - 40] ^= 1;
    fs::write(&path, bad).expect("written");
    assert_eq!(start(home.path(), false), Some(Cause::StoreDamaged));
    fs::write(&path, good).expect("from a backup, who knows how old");
    assert_eq!(start(home.path(), false), Some(Cause::StoreDamaged));
    assert_eq!(start(home.path(), true), None);
    assert_eq!(start(home.path(), false), None);
}

fn a_rolled_back_store_meets_its_own_votes_and_votes_no_more(engine: Engine) {
    on(engine);
    let home = permitted();
    let mut alone = open_alone(home.path());
    alone.pay(0, 3);
    drop(alone);
    let older = tempfile::tempdir().expect("a folder");
    copy(&home.path().join("journal"), &older.path().join("journal"));
    let mut alone = open_alone(home.path());
    let (id, _) = alone.pay(1, 3);
    let proven = alone.store.batch_of(&id).expect("readable").expect("it is final");
    drop(alone);
    let prove = |alone: &mut Alone| {
        let batch = Arc::new(Batch::of(&proven.proposal).expect("a good batch"));
        let certificate = proven.certificate.clone();
        let checked =
            consensus::CheckedCertificate::check(certificate, &alone.network, &mut alone.rng);
        let checked = checked.expect("it holds");
        alone.validator.proven(9, proven.clone(), batch, checked)
    };
    let mut whole = open_alone(home.path());
    assert_eq!(prove(&mut whole).forgotten, None, "what is on disk is remembered");
    drop(whole);
    let mut rolled_back = open_alone(older.path());
    assert_eq!(prove(&mut rolled_back).forgotten, Some(id));
    assert_eq!(rolled_back.validator.mode(), Mode::Silent);
    assert_eq!(rolled_back.validator.tips().applied(), 2, "it applies all the same");
    drop(rolled_back);
    // Once overridden, by the flag in this start or in an earlier one, it is expected.
    Silence::new(Cause::VoteForgotten, "").keep(older.path()).expect("written");
    for accept in [true, false] {
        assert_eq!(start(older.path(), accept), None);
        let mut overridden = open_alone(older.path());
        assert_eq!(prove(&mut overridden).forgotten, None);
    }
}
