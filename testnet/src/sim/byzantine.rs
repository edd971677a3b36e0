//! Byzantine members: what they say beside or instead of what an honest node would.

use super::packet::Packet;
use consensus::message::Message;
use consensus::verdict::{Refused, RefusedKind};
use consensus::{Answer, Proposal};
use ledger::hash::{Tag, hash};
use ledger::{Ballot, Bitmap, Keypair, Network, Phase, TokenId, TransferId};

/// One behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Says nothing at all.
    Silent,
    /// Votes for everything, in both phases, at once.
    Eager,
    /// Says of every entry that it is spent, or locked, by a transfer that does not exist.
    Liar,
    /// As a proposer, shows its certificates to two members only.
    Withholder,
    /// Proposes, and then is never heard of again; it answers nobody, either.
    Abandoner,
    /// Votes for one entry, then for another: takes bits back.
    Fickle,
    /// Votes for everything in any round, whatever it promised, and reports that it has accepted
    /// nothing.
    Denier,
    /// Reports the oldest accept of a state that was ever proven to it.
    Stale,
    /// Answers owners with old reports.
    Replayer,
    /// Reports accepts that nothing proves, spenders that do not exist, and the last round.
    Garbler,
    /// A denier that also proposes what it gets hold of, in other rounds and with reports left out.
    Forger,
}

impl Behaviour {
    /// All of them.
    pub const ALL: [Behaviour; 11] = [
        Behaviour::Silent,
        Behaviour::Eager,
        Behaviour::Liar,
        Behaviour::Withholder,
        Behaviour::Abandoner,
        Behaviour::Fickle,
        Behaviour::Denier,
        Behaviour::Stale,
        Behaviour::Replayer,
        Behaviour::Garbler,
        Behaviour::Forger,
    ];

    /// Whether it sends what its honest half wants to send to `to`.
    pub fn sends(self, to: u16, packet: &Packet) -> bool {
        let Packet::Message(message) = packet else { return self != Behaviour::Silent };
        match self {
            Behaviour::Silent => false,
            Behaviour::Abandoner => matches!(message, Message::Propose(_)),
            Behaviour::Withholder => !matches!(message, Message::Certify(_)) || to < 2,
            Behaviour::Stale | Behaviour::Replayer | Behaviour::Garbler => {
                !matches!(message, Message::Report(_))
            }
            Behaviour::Denier | Behaviour::Forger => {
                !matches!(message, Message::Answer(_) | Message::Report(_))
            }
            Behaviour::Eager | Behaviour::Liar | Behaviour::Fickle => {
                !matches!(message, Message::Answer(_))
            }
        }
    }

    /// What it answers to a proposal, to the proposer.
    pub fn answers(
        self,
        network: &Network,
        (member, key): (u16, &Keypair),
        proposal: &Proposal,
    ) -> Vec<Message> {
        let batch = proposal.claimed;
        let count = proposal.entries.len();
        let all = Bitmap::from_bools(&vec![true; count]);
        let vote = |phase, bitmap: Bitmap| {
            let vote = Ballot { epoch: network.epoch, phase, batch, bitmap };
            let vote = Some(vote.sign(&network.id, member, key));
            Message::Answer(Answer { batch, phase, vote, refused: Vec::new() })
        };
        match self {
            Behaviour::Eager | Behaviour::Denier | Behaviour::Forger => {
                vec![vote(Phase::Lock, all.clone()), vote(Phase::Commit, all)]
            }
            Behaviour::Fickle => {
                let one = |index: usize| {
                    let mut bitmap = Bitmap::empty(count);
                    bitmap.set(index);
                    bitmap
                };
                vec![vote(Phase::Lock, one(0)), vote(Phase::Lock, one(count - 1))]
            }
            Behaviour::Liar => {
                let transfer = TransferId(hash(Tag::Transfer, &[batch.bytes()]));
                let of = |index: usize| Refused {
                    index: u32::try_from(index).expect("at most 4,096"),
                    kind: if index.is_multiple_of(2) {
                        RefusedKind::Spent
                    } else {
                        RefusedKind::Locked
                    },
                    token: TokenId::default(),
                    transfer,
                };
                let refused = (0..count).map(of).collect();
                let phase = Phase::Lock;
                vec![Message::Answer(Answer { batch, phase, vote: None, refused })]
            }
            Behaviour::Silent
            | Behaviour::Withholder
            | Behaviour::Abandoner
            | Behaviour::Stale
            | Behaviour::Replayer
            | Behaviour::Garbler => Vec::new(),
        }
    }
}
