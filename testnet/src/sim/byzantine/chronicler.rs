//! Lies to those who catch up: logs that are wrong or never end, batches that nobody asked for or
//! in another's name, certificates with votes missing, receipts of others, heights that do not
//! exist.

use super::{Actor, Own, Packet, Sent};
use consensus::message::{Message, Progress, Reply, Request};
use consensus::{AppliedBatch, AppliedLine, Proposal};
use ledger::hash::{Tag, hash};
use ledger::{BatchId, Bitmap, Digest};
use rand::RngExt;

/// Lines of a log that never ends, in one reply.
const LINES: usize = 8;

/// Lies about history.
#[derive(Debug)]
pub struct Chronicler;

impl Actor for Chronicler {
    fn sends(&mut self, own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        match packet {
            Packet::Tell(request, reply) if own.rng.random_range(0..3) > 0 => {
                lies(own, request, reply).into_iter().map(|(q, a)| Packet::Tell(q, a)).collect()
            }
            Packet::Message(Message::Progress(progress)) => {
                let progress = match own.rng.random_range(0..3u8) {
                    0 => Progress { lines: u64::MAX, applied: u64::MAX, ..*progress },
                    1 => Progress { digest: Digest::default(), ..*progress },
                    _ => *progress,
                };
                vec![Packet::Message(Message::Progress(progress))]
            }
            packet => vec![packet.clone()],
        }
    }

    fn gets(&mut self, own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        let Packet::Ask(request) = packet else { return Vec::new() };
        // It answers where an honest member has nothing, too.
        let nothing = match request {
            Request::Log { .. } => Reply::Log { lines: 0, from: Vec::new() },
            Request::Applied(_) | Request::Transfers(_) => Reply::Applied(Vec::new()),
            Request::Batches(_) => Reply::Batches(Vec::new()),
            Request::Locks(_) | Request::Snapshot => return Vec::new(),
        };
        let lies = lies(own, request, &nothing);
        lies.into_iter().map(|(q, a)| (from, Packet::Tell(q, a))).collect()
    }
}

fn lies(own: &mut Own<'_>, request: &Request, reply: &Reply) -> Vec<(Request, Reply)> {
    let mut reply = reply.clone();
    let way = own.rng.random_range(0..5u8);
    match &mut reply {
        Reply::Log { lines, from } => lie_log(own, way, (lines, from)),
        Reply::Applied(list) => lie_applied(own, way, list),
        Reply::Batches(list) => lie_batches(own, way, list),
        Reply::Locks(_) | Reply::Snapshot(_) => {}
    }
    // Now and then as the answer to another question.
    let request = match way {
        4 => Request::Log { from: u64::MAX },
        _ => request.clone(),
    };
    vec![(request, reply)]
}

fn lie_log(own: &mut Own<'_>, way: u8, (lines, from): (&mut u64, &mut Vec<AppliedLine>)) {
    match way {
        0 => *lines = u64::MAX,
        1 => {
            *lines = u64::MAX;
            let mut line = || {
                let batch = BatchId(hash(Tag::Node, &[&own.rng.random::<u64>().to_le_bytes()]));
                AppliedLine { batch, bitmap: Bitmap::from_bools(&[true]) }
            };
            *from = (0..LINES).map(|_| line()).collect();
        }
        2 => from.reverse(),
        _ => from.truncate(1),
    }
}

fn lie_applied(own: &mut Own<'_>, way: u8, list: &mut Vec<AppliedBatch>) {
    match way {
        // What others asked for.
        0 => {
            let lines = own.node.archive.log(0);
            let of = |line: &AppliedLine| own.node.archive.applied(&line.batch);
            *list = lines.iter().take(4).flat_map(of).collect();
        }
        1 => list.iter_mut().for_each(|applied| {
            if let Some(group) = applied.certificate.groups.first_mut() {
                group.votes.truncate(1);
            }
        }),
        2 if list.len() > 1 => {
            let first = list[0].certificate.clone();
            list.iter_mut().for_each(|applied| applied.certificate = first.clone());
        }
        _ => {
            let name = own.rng.random_range(0..9u16);
            list.iter_mut().for_each(|applied| in_name_of(&mut applied.proposal, name));
        }
    }
}

fn lie_batches(own: &mut Own<'_>, way: u8, list: &mut Vec<Proposal>) {
    match way {
        0 => list.clear(),
        1 => {
            let lines = own.node.archive.log(0);
            let of = |line: &AppliedLine| own.node.archive.batch(&line.batch);
            let found = lines.iter().filter_map(of).take(2);
            *list = found.map(|(proposal, _)| (**proposal).clone()).collect();
        }
        _ => {
            let name = own.rng.random_range(0..9u16);
            list.iter_mut().for_each(|proposal| in_name_of(proposal, name));
        }
    }
}

/// The same batch, as if another had proposed it.
fn in_name_of(proposal: &mut Proposal, member: u16) {
    proposal.proposer = member;
}
