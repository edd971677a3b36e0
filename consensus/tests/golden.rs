//! Golden bytes: one file for each kind of message, request, reply, record and evidence, and one
//! for a frame. A difference here is a change of the wire or of the store.
//!
//! The files hold lower-case hexadecimal digits, 32 bytes a line.

#[path = "../src/testkit.rs"]
mod testkit;

use consensus::lock::Held;
use consensus::message::{Message, Progress, RecoverReply, Reply, Request, Withheld, WithheldKind};
use consensus::record::{Certified, Closed, Locked, Promise, Promised};
use consensus::verdict::{Refused, RefusedKind};
use consensus::{Answer, AppliedBatch, AppliedLine, Evidence, Record, codec, evidence};
use ledger::{
    Accepted, BatchId, Canonical, Claim, Digest, Phase, Recover, Report, SignedRecover, TokenId,
    TransferId,
};
use std::fmt::Debug;
use std::fmt::Write as _;
use std::{env, fs, path::PathBuf};
use testkit::*;

fn to_hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(out, "{byte:02x}").expect("into memory");
        }
        out.push('\n');
    }
    out
}

fn check(name: &str, bytes: &[u8]) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let path = directory.join(name).with_extension("hex");
    if env::var_os("QUORATE_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, to_hex(bytes)).expect("the golden directory can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        golden,
        to_hex(bytes),
        "{name} differs from {}. If the change is meant, commit it by itself: \
         QUORATE_BLESS=1 cargo test -p consensus --test golden",
        path.display()
    );
}

fn check_object<T: Canonical + PartialEq + Debug>(name: &str, value: &T) {
    let bytes = value.to_bytes();
    check(name, &bytes);
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(value), "{name}");
    for length in 0..bytes.len() {
        assert!(T::from_bytes(&bytes[..length]).is_err(), "{name} cut at {length}");
    }
    assert!(T::from_bytes(&[bytes, vec![0]].concat()).is_err(), "{name} with a byte more");
}

fn check_record(name: &str, record: &Record) {
    let payload = record.payload();
    check(name, &[vec![record.kind()], payload.clone()].concat());
    assert_eq!(Record::read(record.kind(), &payload), Ok(Some(record.clone())), "{name}");
}

fn applied() -> AppliedBatch {
    let (proposal, batch) = batch(0, &[pay_coin(0, "a memo"), pay_coin(1, "")]);
    let certificate = certificate(Phase::Commit, &batch, "1.").certificate().clone();
    AppliedBatch { proposal: (*proposal).clone(), certificate }
}

#[test]
fn messages() {
    let (proposal, batch) = batch(0, &[pay_coin(0, "a memo"), pay_coin(1, "")]);
    check_object("message-propose", &Message::Propose((*proposal).clone()));
    let vote = vote(1, Phase::Lock, &batch, "1.");
    let refused = Refused {
        index: 1,
        kind: RefusedKind::Locked,
        token: coin(1).state.token,
        transfer: batch.ids()[0],
    };
    let (id, phase) = (batch.id(), Phase::Lock);
    let answer = Answer { batch: id, phase, vote: Some(vote), refused: vec![refused] };
    check_object("message-answer", &Message::Answer(answer));
    let empty = Answer { batch: id, phase: Phase::Commit, vote: None, refused: vec![] };
    check_object("message-answer-empty", &Message::Answer(empty));
    let lock = certificate(Phase::Lock, &batch, "1.").certificate().clone();
    check_object("message-certify", &Message::Certify(lock));
    check_object("message-proof", &Message::Proof(applied()));
    let progress = Progress { applied: 1, digest: Digest([2; 32]), lines: 3 };
    check_object("message-progress", &Message::Progress(progress));
}

/// A `Recover` of one state, and the answer of a member that has accepted something of it.
fn recovering() -> (SignedRecover, RecoverReply) {
    let (_, batch) = batch(0, &[pay_coin(0, "a memo")]);
    let network = network();
    let (state, other) = (coin(0).state, coin(1).state);
    let recover = Recover { epoch: 3, owner: address(0), round: 1, states: vec![state] };
    let signed = recover.sign(&network.id, &owner_key(0));
    let lock = batch.lock_proof(0, certificate(Phase::Lock, &batch, "1").certificate());
    let accepted = Some(Accepted { round: 0, transfer: batch.ids()[0] });
    let report = Report { epoch: 3, round: 1, claims: vec![Claim { state, accepted }] };
    let reply = RecoverReply {
        recover: signed.recover.id(),
        report: Some(report.sign(&network.id, 1, &member_key(1))),
        locks: vec![lock],
        withheld: vec![Withheld {
            state: other,
            kind: WithheldKind::Promised,
            round: 2,
            transfer: TransferId::default(),
        }],
    };
    (signed, reply)
}

#[test]
fn recovery() {
    let (signed, reply) = recovering();
    check_object("message-recover", &Message::Recover(vec![signed]));
    check_object(
        "justification",
        &ledger::Justification {
            reports: reply.report.clone().into_iter().collect(),
            locks: reply.locks.clone(),
            receipts: Vec::new(),
        },
    );
    check_object("message-report", &Message::Report(reply));
    let held = Held { round: 0, transfer: TransferId(Digest([1; 32])), batch: Default::default() };
    let promises = vec![
        Promise { state: coin(0).state, accepted: Some(held) },
        Promise { state: coin(1).state, accepted: None },
    ];
    check_record("record-promised", &Record::Promised(Promised { round: 2, promises }));
}

#[test]
fn requests_and_replies() {
    let (batch, transfer) = (BatchId(Digest([1; 32])), TransferId(Digest([2; 32])));
    check_object("request-log", &Request::Log { from: 7 });
    check_object("request-applied", &Request::Applied(vec![batch]));
    check_object("request-transfers", &Request::Transfers(vec![transfer]));
    check_object("request-batches", &Request::Batches(vec![batch]));
    check_object("request-locks", &Request::Locks(vec![TokenId(Digest([3; 32]))]));
    let line = AppliedLine { batch, bitmap: bits("1.1") };
    check_object("reply-log", &Reply::Log { lines: 9, from: vec![line] });
    check_object("reply-applied", &Reply::Applied(vec![applied()]));
    check_object("reply-batches", &Reply::Batches(vec![applied().proposal]));
    check_object("reply-locks", &Reply::Locks(vec![transfer, TransferId::default()]));
}

#[test]
fn records() {
    let (proposal, batch) = batch(0, &[pay_coin(0, "a memo"), pay_coin(1, "")]);
    check_record("record-batch", &Record::Batch(proposal));
    let locked = Locked { batch: batch.id(), bitmap: bits("11") };
    check_record("record-locked", &Record::Locked(locked));
    let certified = |phase| Certified {
        certificate: certificate(phase, &batch, "11").certificate().clone(),
        bitmap: bits("1."),
    };
    check_record("record-accepted", &Record::Accepted(certified(Phase::Lock)));
    check_record("record-applied", &Record::Applied(certified(Phase::Commit)));
    let entries = (pay_coin(0, "one"), pay_coin(0, "two"));
    let (_, two) = self::batch(0, &[entries.0, entries.1]);
    let owner = evidence::of_owner((&two, 0), (&two, 1)).expect("one state");
    check_record("record-evidence-owner", &Record::Evidence(Evidence::Owner(owner)));
    let votes = evidence::VoteEvidence {
        first: vote(1, Phase::Lock, &batch, "1."),
        second: vote(1, Phase::Lock, &batch, ".1"),
    };
    check_record("record-evidence-votes", &Record::Evidence(Evidence::Votes(votes)));
    assert_eq!(Record::read(0, &[]), Ok(None));
    let closed = Closed { batches: vec![BatchId(Digest([1; 32])), BatchId(Digest([2; 32]))] };
    check_record("record-closed", &Record::Closed(closed));
    assert_eq!(Record::read(8, &[]), Ok(None));
}

#[test]
fn frame() {
    let progress = Progress { applied: 1, digest: Digest([2; 32]), lines: 3 };
    check("frame", &codec::encode(&Message::Progress(progress)));
}
