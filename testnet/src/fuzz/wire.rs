//! The wire: frames as peers may send them. Whatever is decoded is one message in its one form, and
//! its own encoding is read back; a frame that lies about its size, its window or its end is
//! refused. Not the streams that frames come over.

use super::Target;
use super::fixture;
use super::script::Script;
use consensus::codec;
use consensus::message::{Answer, Message, Progress, RecoverReply, Reply, Request};
use consensus::{AppliedLine, Batch, SnapshotOffer};
use ledger::{Bitmap, Canonical, Phase};
use std::fmt::Debug;
use std::io::Write;

/// The target.
pub const TARGET: Target = Target {
    name: "wire",
    check,
    seeds,
    bytes_max: 16 * 1024,
    // A frame may claim a message of the largest size for a 256th of it in compressed bytes, three
    // times (message, request, reply), and zstd has its own window of 8 MiB.
    memory_max: (24 << 20, 600),
};

/// Largest body that a script blows up, bytes: above it nothing new happens.
const BODY_BYTES_MAX: usize = 9 * 1024 * 1024;

/// A frame: as it stands, or made of a body with the lies that a script asks for.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    let frame = match script.byte() % 4 {
        0 => script.rest().to_vec(),
        1 => {
            let lie = script.byte();
            let body = script.rest();
            framed(0, claimed(body.len(), lie), body)
        }
        2 => {
            let claim = u32::from(script.number()) << (script.byte() % 17);
            framed(1, claim, script.rest())
        }
        _ => compressed(&mut script),
    };
    read::<Message>(&frame);
    read::<Request>(&frame);
    read::<Reply>(&frame);
}

fn read<M: Canonical + PartialEq + Debug>(frame: &[u8]) {
    let Ok(message) = codec::decode::<M>(frame) else { return };
    let bytes = message.to_bytes();
    assert_eq!(M::from_bytes(&bytes).as_ref(), Ok(&message), "it has one form");
    if frame[1] == 0 {
        assert_eq!(&frame[6..], bytes, "an uncompressed frame holds just the message");
    }
    let again = codec::encode(&message);
    assert_eq!(codec::decode::<M>(&again), Ok(message), "it reads what it writes");
}

fn framed(compression: u8, length: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![codec::VERSION, compression];
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(body);
    frame
}

/// The true length, or nearly.
fn claimed(length: usize, lie: u8) -> u32 {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    match lie % 8 {
        1 => length.wrapping_add(1),
        2 => length.wrapping_sub(1),
        3 => length.saturating_mul(256),
        4 => u32::MAX,
        _ => length,
    }
}

/// A body in zstd: of any window, in one frame or several, repeated, with more behind it.
fn compressed(script: &mut Script<'_>) -> Vec<u8> {
    let (window, times, lie, tail) = (script.byte(), script.byte(), script.byte(), script.byte());
    let piece = script.rest();
    let times = if times < 128 { 1 } else { 1 << (times % 16) };
    let times = times.min(BODY_BYTES_MAX / piece.len().max(1));
    let body = piece.repeat(times.max(1));
    let mut packed = zstd_of(&body, window);
    match tail % 8 {
        1 => packed.extend_from_slice(&zstd_of(&body, 0)),
        2 => packed.extend_from_slice(&zstd_of(&[], 0)),
        3 => packed.extend_from_slice(&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]),
        4 => packed.push(0),
        5 => packed.truncate(packed.len() / 2),
        6 => packed = zstd_of(&packed, 0),
        _ => {}
    }
    let whole = framed(1, claimed(body.len(), lie), &packed);
    assert!(tail % 8 == 0 || tail % 8 == 7 || codec::decode::<Message>(&whole).is_err());
    whole
}

fn zstd_of(body: &[u8], window: u8) -> Vec<u8> {
    const INTO_MEMORY: &str = "compressing into memory cannot fail";
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect(INTO_MEMORY);
    // 10 to 31 are the windows that there are; above 23 it is refused.
    if window > 0 {
        encoder.window_log(10 + u32::from(window % 22)).expect(INTO_MEMORY);
    }
    encoder.include_checksum(window % 2 == 1).expect(INTO_MEMORY);
    encoder.write_all(body).expect(INTO_MEMORY);
    encoder.finish().expect(INTO_MEMORY)
}

/// One of each message, plain and compressed.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let mut add = |name: &str, body: Vec<u8>| {
        seeds.push((name.to_string(), [vec![1, 0], body.clone()].concat()));
        seeds.push((format!("{name}-zstd"), [vec![3, 0, 0, 0, 0], body].concat()));
    };
    for (name, message) in messages() {
        add(name, message.to_bytes());
    }
    for (name, request) in requests() {
        add(name, request.to_bytes());
    }
    for (name, reply) in replies() {
        add(name, reply.to_bytes());
    }
    let frame = codec::encode(&Message::Propose(fixture::batch(0, fixture::entries()).0));
    seeds.push(("raw".into(), [vec![0], frame].concat()));
    seeds.push(("window".into(), [vec![3, 21, 0, 0, 0], vec![7; 600]].concat()));
    seeds.push(("bomb".into(), [vec![3, 0, 143, 0, 0], vec![0; 200]].concat()));
    seeds
}

/// A message of each kind.
pub fn messages() -> Vec<(&'static str, Message)> {
    let (proposal, batch) = fixture::batch(0, fixture::entries());
    let vote = Some(fixture::vote(1, Phase::Lock, &batch, &[true, false, true]));
    let answer = Answer { batch: batch.id(), phase: Phase::Lock, vote, refused: Vec::new() };
    let states = vec![fixture::coin(0).state, fixture::coin(1).state];
    let recover = fixture::recover(0, 1, states.clone());
    let reply = RecoverReply {
        recover: recover.recover.id(),
        report: Some(fixture::report(2, 1, &states)),
        locks: vec![batch.lock_proof(1, &fixture::certificate(Phase::Lock, &batch))],
        withheld: Vec::new(),
    };
    let refreshed = fixture::batch(3, vec![fixture::refresh(1, 2)]).0;
    vec![
        ("propose", Message::Propose(proposal)),
        ("propose-round", Message::Propose(refreshed)),
        ("answer", Message::Answer(answer)),
        ("lock", Message::Certify(fixture::certificate(Phase::Lock, &batch))),
        ("commit", Message::Certify(fixture::certificate(Phase::Commit, &batch))),
        ("proof", Message::Proof(fixture::applied(fixture::entries()))),
        ("progress", Message::Progress(progress(&batch))),
        ("recover", Message::Recover(vec![recover])),
        ("report", Message::Report(reply)),
    ]
}

fn progress(batch: &Batch) -> Progress {
    let digest = ledger::hash::hash_untagged(batch.id().bytes());
    Progress { applied: 3, digest, lines: 1 }
}

fn requests() -> Vec<(&'static str, Request)> {
    let (_, batch) = fixture::batch(0, fixture::entries());
    let tokens = vec![fixture::coin(0).state.token];
    vec![
        ("ask-log", Request::Log { from: 1 }),
        ("ask-applied", Request::Applied(vec![batch.id()])),
        ("ask-transfers", Request::Transfers(batch.ids().to_vec())),
        ("ask-batches", Request::Batches(vec![batch.id()])),
        ("ask-locks", Request::Locks(tokens)),
        ("ask-snapshot", Request::Snapshot),
    ]
}

fn replies() -> Vec<(&'static str, Reply)> {
    let (proposal, batch) = fixture::batch(0, fixture::entries());
    let bitmap = Bitmap::from_bools(&[true, true, false]);
    let line = AppliedLine { batch: batch.id(), bitmap };
    let offer = SnapshotOffer { cid: vec![1; 36], bytes: 9, applied: 3 };
    vec![
        ("tell-log", Reply::Log { lines: 1, from: vec![line] }),
        ("tell-applied", Reply::Applied(vec![fixture::applied(fixture::entries())])),
        ("tell-batches", Reply::Batches(vec![proposal])),
        ("tell-locks", Reply::Locks(batch.ids().to_vec())),
        ("tell-snapshot", Reply::Snapshot(Some(offer))),
    ]
}
