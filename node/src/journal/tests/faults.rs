//! The writer against a disk that waits, counts and fails on demand.

mod hooked;

use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::*;
use hooked::{Action, Hooked};

/// What the disk of a test does, and has seen.
#[derive(Default)]
struct Script {
    is_held: bool,
    fails: Option<(Action, i32)>,
    syncs: u64,
    actions: u64,
}

#[derive(Clone, Default)]
struct Control(Arc<(Mutex<Script>, Condvar)>);

impl Control {
    fn disk(&self) -> Arc<dyn Disk> {
        let control = self.clone();
        Hooked::disk(move |action| control.ask(action))
    }

    fn ask(&self, action: Action) -> io::Result<()> {
        let (script, changed) = &*self.0;
        let mut script = script.lock();
        script.actions += 1;
        script.syncs += u64::from(action == Action::Sync);
        changed.notify_all();
        while script.is_held {
            changed.wait(&mut script);
        }
        match script.fails {
            Some((failing, code)) if failing == action => Err(io::Error::from_raw_os_error(code)),
            _ => Ok(()),
        }
    }

    fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.0.0.lock());
        self.0.1.notify_all();
    }

    fn wait(&self, is_met: impl Fn(&Script) -> bool) {
        let (script, changed) = &*self.0;
        let mut script = script.lock();
        while !is_met(&script) {
            assert!(!changed.wait_until(&mut script, soon()).timed_out(), "never came");
        }
    }

    fn counts(&self) -> (u64, u64) {
        let script = self.0.0.lock();
        (script.actions, script.syncs)
    }
}

fn large() -> Options {
    Options { segment_bytes: 1 << 20, ..options() }
}

/// A journal whose writer is held in the write of one record.
fn held(dir: &Path, options: Options) -> (Control, Journal) {
    let control = Control::default();
    let (journal, ..) = open_on(control.disk(), dir, options).expect("created");
    let before = control.counts().0;
    control.set(|script| script.is_held = true);
    journal.append(0, payload(0)).expect("taken");
    control.wait(|script| script.actions > before);
    (control, journal)
}

#[test]
fn all_that_waits_shares_one_sync_and_is_read_back_meanwhile() {
    let dir = tempfile::tempdir().expect("a directory");
    let (control, journal) = held(dir.path(), large());
    let before = control.counts().1;
    let tickets: Vec<Ticket> =
        (1..=200).map(|index| journal.append(index, payload(index)).expect("room")).collect();
    assert_eq!(journal.durable(), 0);
    for (index, ticket) in (1..).zip(&tickets) {
        assert_eq!(journal.read(ticket.location), Ok((index, payload(index))));
    }
    control.set(|script| script.is_held = false);
    journal.wait_durable(200, soon()).expect("durable");
    // One for the record that was being written, one for the two hundred.
    assert!(control.counts().1 - before <= 3, "syncs: {}", control.counts().1 - before);
    assert_eq!(journal.watch().borrow().records, 201);
}

#[test]
fn an_idle_journal_syncs_its_head_once_and_then_writes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let control = Control::default();
    let (journal, ..) = open_on(control.disk(), dir.path(), large()).expect("created");
    let before = control.counts();
    let ticket = journal.append(1, payload(1)).expect("taken");
    journal.wait_durable(ticket.sequence, soon()).expect("durable");
    control.wait(|script| script.syncs == before.1 + 2);
    let expected = (before.0 + 4, before.1 + 2);
    assert_eq!(control.counts(), expected, "record, sync, head, sync");
    journal.close().expect("closed");
    assert_eq!(control.counts(), expected, "closing finds nothing to do");
}

#[test]
fn a_full_queue_refuses_and_takes_again_when_drained() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { queue_records_max: 3, ..large() };
    let (control, journal) = held(dir.path(), options);
    journal.append(1, payload(1)).expect("second");
    journal.append(2, payload(2)).expect("third");
    let bytes = (0..3).map(|index| framed_bytes(length(payload(index).len()))).sum();
    let full = JournalError::Full { records: 3, bytes };
    assert_eq!(journal.append(3, payload(3)), Err(full));
    control.set(|script| script.is_held = false);
    journal.wait_durable(2, soon()).expect("durable");
    assert_eq!(journal.append(3, payload(3)).expect("room").sequence, 3);
}

#[test]
fn a_queue_full_of_bytes_refuses_but_an_empty_one_takes_any_record() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { queue_bytes_max: 100, ..large() };
    let (control, journal) = held(dir.path(), options);
    let records = 1;
    let bytes = framed_bytes(length(payload(0).len()));
    assert_eq!(journal.append(1, vec![0; 7]), Err(JournalError::Full { records, bytes }));
    journal.append(1, vec![0; 6]).expect("exactly full");
    control.set(|script| script.is_held = false);
    journal.wait_durable(1, soon()).expect("durable");
    journal.append(2, vec![0; 5_000]).expect("alone in the queue");
}

#[test]
fn a_failed_disk_poisons_the_journal_for_good() {
    let cases = [
        (Action::Write, 28, Step::Write, io::ErrorKind::StorageFull),
        (Action::Sync, 5, Step::Sync, io::Error::from_raw_os_error(5).kind()),
    ];
    for (action, code, step, kind) in cases {
        let dir = tempfile::tempdir().expect("a directory");
        let control = Control::default();
        let (journal, ..) = open(dir.path(), large()).expect("created");
        let rows = fill(&journal, 0..5);
        journal.close().expect("closed");
        let (journal, ..) = open_on(control.disk(), dir.path(), large()).expect("opened");
        let watch = journal.watch();
        control.set(|script| script.fails = Some((action, code)));
        let ticket = journal.append(5, payload(5)).expect("queued");
        let failed = journal.wait_durable(ticket.sequence, soon()).expect_err("poisoned");
        let JournalError::Failed(failure) = failed.clone() else { panic!("{failed}") };
        assert_eq!(failure.os_code, Some(code));
        assert_eq!((failure.kind, failure.segment, failure.records_durable), (kind, 0, 5));
        assert_eq!(failure.step, step);
        control.set(|script| script.fails = None);
        assert_eq!(journal.append(6, payload(6)), Err(failed.clone()), "never tried again");
        assert_eq!(*watch.borrow(), Durable { records: 5, failed: Some(failure) });
        assert_eq!(journal.durable(), 5);
        assert_eq!(journal.read(rows[4].0), Ok((4, payload(4))));
        assert_eq!(journal.close(), Err(failed));
        let (_, opened, found) = open(dir.path(), large()).expect("opened");
        assert_eq!((opened.damage, &found[..5]), (None, &rows[..]));
    }
}

#[test]
fn a_disk_full_at_the_next_segment_leaves_no_half_of_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let control = Control::default();
    let (journal, ..) = open_on(control.disk(), dir.path(), options()).expect("created");
    let rows = fill(&journal, 0..3);
    control.set(|script| script.fails = Some((Action::Allocate, 28)));
    let ticket = journal.append(9, vec![0; 390]).expect("queued");
    let failed = journal.wait_durable(ticket.sequence, soon()).expect_err("poisoned");
    assert!(matches!(failed, JournalError::Failed(Failure { step: Step::Create, .. })), "{failed}");
    drop(journal);
    let (journal, opened, found) = open(dir.path(), options()).expect("opened");
    assert_eq!((opened.records, opened.torn_bytes_cut, opened.damage), (3, 0, None));
    assert_eq!(found, rows);
    fill(&journal, 3..20);
}

#[test]
fn a_panic_of_the_writer_leaves_nobody_waiting() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path(), large()).expect("created").0.close().expect("closed");
    let disk = Hooked::disk(|action| match action {
        Action::Write => panic!("a bug, for the test"),
        _ => Ok(()),
    });
    let (journal, ..) = open_on(disk, dir.path(), large()).expect("opened");
    let ticket = journal.append(1, payload(1)).expect("queued");
    let failed = journal.wait_durable(ticket.sequence, soon()).expect_err("poisoned");
    assert!(matches!(failed, JournalError::Failed(Failure { step: Step::Panic, .. })), "{failed}");
    assert_eq!(journal.close(), Err(failed));
}

#[test]
fn dropping_writes_what_was_queued() {
    let dir = tempfile::tempdir().expect("a directory");
    let (control, journal) = held(dir.path(), large());
    (1..100).for_each(|index| assert!(journal.append(index, payload(index)).is_ok()));
    control.set(|script| script.is_held = false);
    drop(journal);
    assert_eq!(open(dir.path(), large()).expect("opened").1.records, 100);
}

#[test]
fn waiting_ends_at_the_deadline() {
    let dir = tempfile::tempdir().expect("a directory");
    let (control, journal) = held(dir.path(), large());
    let waited = journal.wait_durable(0, Instant::now());
    assert_eq!(waited, Err(JournalError::Deadline { durable: 0 }));
    control.set(|script| script.is_held = false);
}
