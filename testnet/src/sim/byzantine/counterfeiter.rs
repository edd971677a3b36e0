//! Forges certificates out of those that it sees: with votes missing, repeated, of nobody, with bad
//! signatures, of the other phase, of another batch, with bitmaps of another length.

use super::{Actor, Own, Packet, Sent};
use consensus::message::Message;
use ledger::certificate::{Group, Seal};
use ledger::{BatchId, Bitmap, Certificate, Phase};
use rand::RngExt;
use std::collections::BTreeMap;

/// Certificates of one batch to which it has an answer: honest members answer with votes, which
/// make new certificates of its honest half, and two such actors go on for ever.
const ANSWERS_MAX: u32 = 24;

/// Forges certificates.
#[derive(Debug, Default)]
pub struct Counterfeiter {
    answers: BTreeMap<BatchId, u32>,
}

impl Counterfeiter {
    fn has_answer(&mut self, certificate: &Certificate) -> bool {
        let answers = self.answers.entry(certificate.batch).or_default();
        *answers += 1;
        *answers <= ANSWERS_MAX
    }
}

impl Actor for Counterfeiter {
    fn sends(&mut self, own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        let mut sent = vec![packet.clone()];
        if let Packet::Message(Message::Certify(certificate)) = packet
            && self.has_answer(certificate)
        {
            sent.extend(forged(own, certificate));
        }
        sent
    }

    fn gets(&mut self, own: &mut Own<'_>, _from: u16, packet: &Packet) -> Sent {
        let mut sent = Vec::new();
        if let Packet::Message(Message::Certify(certificate)) = packet
            && self.has_answer(certificate)
        {
            for packet in forged(own, certificate) {
                sent.extend(own.to_all(&packet));
            }
        }
        sent
    }
}

/// Two of the ways, by chance, and its own votes as often as there are bitmaps.
fn forged(own: &mut Own<'_>, certificate: &Certificate) -> Vec<Packet> {
    let repeated = repeated(own, certificate).map(|c| Packet::Message(Message::Certify(c)));
    let mut ways = || {
        let way = own.rng.random_range(0..WAYS);
        Packet::Message(Message::Certify(way_of(certificate, way)))
    };
    let mut forged = vec![ways(), ways()];
    forged.extend(repeated);
    forged
}

const WAYS: u8 = 11;
/// Bitmaps in a certificate of one member's votes alone.
const BITMAPS_MAX: u32 = 16;

/// A certificate of its own votes alone, each under another bitmap that has the first bit.
fn repeated(own: &Own<'_>, certificate: &Certificate) -> Option<Certificate> {
    let count = certificate.groups.first()?.bitmap.count();
    let others = u32::try_from(count.saturating_sub(1)).unwrap_or(0).min(BITMAPS_MAX.ilog2());
    let group = |pattern: u32| {
        let is_set = |index: usize| index == 0 || (index <= 4 && pattern >> (index - 1) & 1 == 1);
        let bits: Vec<bool> = (0..count).map(is_set).collect();
        let bitmap = Bitmap::from_bools(&bits);
        let vote = own.vote(certificate.phase, certificate.batch, bitmap.clone());
        Group { bitmap, votes: vec![Seal { member: own.member, signature: vote.signature }] }
    };
    let mut groups: Vec<Group> = (0..2u32.pow(others)).map(group).collect();
    groups.sort_by(|a, b| a.bitmap.cmp(&b.bitmap));
    Some(Certificate { groups, ..certificate.clone() })
}

fn way_of(certificate: &Certificate, way: u8) -> Certificate {
    let mut forged = certificate.clone();
    // Others forge groups without votes, and this may be one of theirs.
    let with_votes = forged.groups.iter_mut().find(|group| !group.votes.is_empty());
    let Some(first) = with_votes else { return forged };
    match way {
        // A vote is missing, then all of them.
        0 => first.votes.truncate(first.votes.len() - 1),
        1 => forged.groups.clear(),
        // A member is there twice, under another bitmap.
        2 => {
            let votes = vec![first.votes[0]];
            let bitmap = Bitmap::empty(first.bitmap.count());
            forged.groups.push(Group { bitmap, votes });
            forged.groups.sort_by(|a, b| a.bitmap.cmp(&b.bitmap));
        }
        // The same, in the place of the missing ones.
        3 => {
            first.votes.truncate(3);
            let votes = first.votes.clone();
            first.votes.extend(votes);
        }
        4 => {
            let seal = Seal { member: 7, ..first.votes[0] };
            first.votes.push(seal);
        }
        5 => first.votes[0].signature.0[0] ^= 1,
        6 => {
            forged.phase = match forged.phase {
                Phase::Lock => Phase::Commit,
                Phase::Commit => Phase::Lock,
            };
        }
        7 => forged.epoch = forged.epoch.wrapping_sub(1),
        8 => {
            let count = first.bitmap.count();
            first.bitmap = Bitmap::from_bools(&vec![true; (count + 1).min(4_096)]);
        }
        9 => {
            let count = first.bitmap.count();
            let bitmap = Bitmap::from_bools(&vec![true; (count + 1).min(4_096)]);
            let votes = vec![Seal { member: 6, ..first.votes[0] }];
            first.votes.retain(|seal| seal.member != 6);
            forged.groups.push(Group { bitmap, votes });
            forged.groups.sort_by(|a, b| a.bitmap.cmp(&b.bitmap));
        }
        _ => forged.batch = BatchId::default(),
    }
    forged
}
