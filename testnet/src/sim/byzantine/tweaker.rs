//! Says valid things again with one field changed: one more, one less, or an older value. What it
//! can sign, it signs again.

use super::{Actor, Own, Packet, Sent};
use consensus::message::Message;
use consensus::{Answer, Batch, Proposal, RecoverReply};
use ledger::{Certificate, Digest, Phase};
use rand::RngExt;

/// Packets kept, from which older values come.
const KEPT_MAX: usize = 48;

/// Changes one thing.
#[derive(Debug, Default)]
pub struct Tweaker {
    kept: Vec<Message>,
}

impl Actor for Tweaker {
    fn sends(&mut self, own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        self.keep(own, packet);
        let mut sent = vec![packet.clone()];
        if own.rng.random_range(0..4) == 0 {
            sent.extend(self.tweaked(own));
        }
        sent
    }

    fn gets(&mut self, own: &mut Own<'_>, from: u16, packet: &Packet) -> Sent {
        self.keep(own, packet);
        let tweaked = self.tweaked(own);
        let others: Vec<u16> = own.others().collect();
        let any = others[own.rng.random_range(0..others.len())];
        let to = if own.rng.random_range(0..2) == 0 { from } else { any };
        tweaked.into_iter().map(|packet| (to, packet)).collect()
    }
}

impl Tweaker {
    fn keep(&mut self, own: &mut Own<'_>, packet: &Packet) {
        let Packet::Message(message) = packet else { return };
        if self.kept.len() < KEPT_MAX {
            self.kept.push(message.clone());
        } else {
            self.kept[own.rng.random_range(0..KEPT_MAX)] = message.clone();
        }
    }

    /// One of the kept messages, changed.
    fn tweaked(&self, own: &mut Own<'_>) -> Option<Packet> {
        if self.kept.is_empty() {
            return None;
        }
        let mut message = self.kept[own.rng.random_range(0..self.kept.len())].clone();
        let older = &self.kept[own.rng.random_range(0..self.kept.len())];
        let way = own.rng.random_range(0..8u8);
        match (&mut message, older) {
            (Message::Propose(proposal), older) => tweak_proposal(own, proposal, (older, way)),
            (Message::Answer(answer), older) => tweak_answer(own, answer, (older, way)),
            (Message::Certify(certificate), older) => tweak_certificate(certificate, (older, way)),
            (Message::Proof(applied), older) if way < 4 => {
                tweak_certificate(&mut applied.certificate, (older, way));
            }
            (Message::Proof(applied), older) => {
                tweak_proposal(own, &mut applied.proposal, (older, way));
            }
            (Message::Progress(progress), _) => match way % 4 {
                0 => progress.applied = progress.applied.wrapping_add(1),
                1 => progress.applied = progress.applied.wrapping_sub(1),
                2 => progress.lines = progress.lines.wrapping_add(1),
                _ => progress.digest = Digest::default(),
            },
            (Message::Recover(recovers), _) => {
                for signed in recovers {
                    match way % 4 {
                        0 => signed.recover.round = signed.recover.round.saturating_add(1),
                        1 => signed.recover.round = signed.recover.round.saturating_sub(1).max(1),
                        2 => signed.recover.epoch = signed.recover.epoch.wrapping_add(1),
                        _ => {
                            signed.recover.states[0].height =
                                signed.recover.states[0].height.wrapping_add(1)
                        }
                    }
                }
            }
            (Message::Report(reply), older) => tweak_report(own, reply, (older, way)),
        }
        Some(Packet::Message(message))
    }
}

fn tweak_proposal(own: &Own<'_>, proposal: &mut Proposal, (older, way): (&Message, u8)) {
    let mut entries = proposal.entries.to_vec();
    let entry = &mut entries[0];
    match way {
        0 => {
            entry.round = entry.round.saturating_add(1);
            entry.justification = vec![0; 12];
        }
        1 => {
            entry.signed.transfer.inputs[0].amount =
                entry.signed.transfer.inputs[0].amount.wrapping_add(1)
        }
        2 => {
            entry.signed.transfer.inputs[0].state.height =
                entry.signed.transfer.inputs[0].state.height.wrapping_add(1)
        }
        3 => entry.signed.transfer.epoch = entry.signed.transfer.epoch.wrapping_add(1),
        4 => entry.signed.transfer.memo.push('x'),
        5 => proposal.epoch = proposal.epoch.wrapping_add(1),
        6 => proposal.signature.0[0] ^= 1,
        _ => {
            if let Message::Propose(older) = older {
                entries.push(older.entries[0].clone());
            }
        }
    }
    if !matches!(way, 5 | 6) {
        let batch = Batch::new(entries);
        let (id, epoch) = (&own.network.id, own.network.epoch);
        *proposal = Proposal::sign(&batch, id, epoch, own.member, own.key());
    }
}

fn tweak_answer(own: &Own<'_>, answer: &mut Answer, (older, way): (&Message, u8)) {
    let other = match answer.phase {
        Phase::Lock => Phase::Commit,
        Phase::Commit => Phase::Lock,
    };
    match way {
        0 => answer.phase = other,
        1 => answer.refused.truncate(0),
        2 => {
            if let Message::Answer(older) = older {
                answer.vote = older.vote.clone();
            }
        }
        _ => {
            let Some(vote) = &mut answer.vote else { return };
            match way {
                3 => vote.member = vote.member.wrapping_add(1),
                4 => vote.ballot.epoch = vote.ballot.epoch.wrapping_add(1),
                5 => vote.signature.0[0] ^= 1,
                6 => vote.ballot.phase = other,
                _ => {
                    let mut bitmap = vote.ballot.bitmap.clone();
                    bitmap.clear(0);
                    *vote = own.vote(vote.ballot.phase, vote.ballot.batch, bitmap);
                }
            }
        }
    }
}

fn tweak_certificate(certificate: &mut Certificate, (older, way): (&Message, u8)) {
    // Others forge groups without votes, and this may be one of theirs.
    let with_votes = certificate.groups.iter_mut().find(|group| !group.votes.is_empty());
    let Some(group) = with_votes else { return };
    match way % 6 {
        0 => certificate.epoch = certificate.epoch.wrapping_add(1),
        1 => group.votes[0].member = group.votes[0].member.saturating_sub(1),
        2 => group.votes[0].signature.0[0] ^= 1,
        3 => group.bitmap.clear(0),
        4 => {
            if let Message::Certify(older) = older {
                certificate.batch = older.batch;
            }
        }
        _ => {
            if let Message::Certify(older) = older {
                certificate.groups.clone_from(&older.groups);
            }
        }
    }
}

fn tweak_report(own: &Own<'_>, reply: &mut RecoverReply, (older, way): (&Message, u8)) {
    if let (6, Message::Report(older)) = (way, older) {
        reply.locks.clone_from(&older.locks);
    }
    let Some(signed) = &mut reply.report else { return };
    let mut report = signed.report.clone();
    match way {
        0 => report.round = report.round.saturating_add(1),
        1 => report.round = report.round.saturating_sub(1).max(1),
        2 => report.epoch = report.epoch.wrapping_add(1),
        3 => report.claims.truncate(1),
        4 => report.claims.iter_mut().for_each(|claim| claim.accepted = None),
        5 => {
            for accepted in report.claims.iter_mut().filter_map(|claim| claim.accepted.as_mut()) {
                accepted.round = accepted.round.saturating_add(1);
            }
        }
        _ => {}
    }
    *signed = report.sign(&own.network.id, own.member, own.key());
}
