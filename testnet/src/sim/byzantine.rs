//! Byzantine members: an honest half, whose packets an actor changes, and what the actor says
//! beside it. One behaviour a file; a member may have several at once.

mod abandoner;
mod babbler;
mod ballots;
mod chronicler;
mod counterfeiter;
mod denier;
mod doubler;
mod eager;
mod favourer;
mod fickle;
mod foreigner;
pub mod forger;
mod garbler;
mod inventor;
mod liar;
mod misvoter;
mod parrot;
mod partial;
mod pleader;
mod replayer;
mod resigner;
mod silent;
mod stale;
mod tweaker;
mod twofaced;
mod vandal;
mod withholder;

use super::node::Node;
use super::packet::Packet;
use consensus::{Batch, Proposal};
use ledger::{Bitmap, Entry, Keypair, Network, Phase, Vote};
use rand::rngs::StdRng;
use std::fmt;
use std::sync::Arc;

/// What goes to whom.
pub type Sent = Vec<(u16, Packet)>;

/// What a Byzantine member has at hand.
pub struct Own<'a> {
    /// Virtual time, µs.
    pub now_us: u64,
    /// The network.
    pub network: &'a Arc<Network>,
    /// Who it is.
    pub member: u16,
    /// The keys of all members. Its own is for signing; the others only for what their holders have
    /// signed elsewhere: in another epoch, on another network.
    pub keys: &'a [Keypair],
    /// Its honest half.
    pub node: &'a Node,
    /// Its own generator.
    pub rng: &'a mut StdRng,
}

impl Own<'_> {
    /// Its own key.
    pub fn key(&self) -> &Keypair {
        &self.keys[usize::from(self.member)]
    }

    /// All other members.
    pub fn others(&self) -> impl Iterator<Item = u16> + use<> {
        let (own, members) = (self.member, u16::try_from(self.keys.len()).expect("few"));
        (0..members).filter(move |member| *member != own)
    }

    /// The same packet to all others.
    pub fn to_all(&self, packet: &Packet) -> Sent {
        self.others().map(|to| (to, packet.clone())).collect()
    }

    /// A batch of its own.
    pub fn proposal(&self, entries: Vec<Entry>) -> Proposal {
        let batch = Batch::new(entries);
        let Network { id, epoch, .. } = &**self.network;
        Proposal::sign(&batch, id, *epoch, self.member, self.key())
    }

    /// Its vote.
    pub fn vote(&self, phase: Phase, batch: ledger::BatchId, bitmap: Bitmap) -> Vote {
        let ballot = ledger::Ballot { epoch: self.network.epoch, phase, batch, bitmap };
        ballot.sign(&self.network.id, self.member, self.key())
    }
}

/// One behaviour of one member. What it remembers outlives the member's crashes.
pub trait Actor: fmt::Debug {
    /// What is sent to `to` instead of a packet of its honest half.
    fn sends(&mut self, _own: &mut Own<'_>, _to: u16, packet: &Packet) -> Vec<Packet> {
        vec![packet.clone()]
    }

    /// What it sends beside its honest half when it gets a packet.
    fn gets(&mut self, _own: &mut Own<'_>, _from: u16, _packet: &Packet) -> Sent {
        Vec::new()
    }

    /// What it sends now and then.
    fn ticks(&mut self, _own: &mut Own<'_>) -> Sent {
        Vec::new()
    }
}

macro_rules! behaviours {
    ($($(#[$doc:meta])* $name:ident => $actor:expr,)*) => {
        /// One behaviour.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Behaviour {
            $($(#[$doc])* $name,)*
        }

        impl Behaviour {
            /// All of them.
            pub const ALL: &[Behaviour] = &[$(Behaviour::$name,)*];

            /// Somebody who behaves like this.
            pub fn actor(self) -> Box<dyn Actor> {
                match self {
                    $(Behaviour::$name => Box::new($actor),)*
                }
            }
        }
    };
}

// A macro so that no behaviour can be in the enum and missing from the list that plans draw from.
behaviours! {
    /// Says nothing at all.
    Silent => silent::Silent,
    /// Votes for everything, in both phases, at once, without locking.
    Eager => eager::Eager,
    /// Says of every entry that it is spent, or locked, by a transfer that does not exist.
    Liar => liar::Liar,
    /// As a proposer, shows its certificates to two members only.
    Withholder => withholder::Withholder,
    /// As a proposer, shows its Commit certificates to one member only.
    Favourer => favourer::Favourer,
    /// Proposes, and then is never heard of again; it answers nobody, either.
    Abandoner => abandoner::Abandoner,
    /// Votes for one entry, then for another: takes bits back.
    Fickle => fickle::Fickle,
    /// Votes for everything in any round, whatever it promised, and reports that it has accepted
    /// nothing.
    Denier => denier::Denier,
    /// Reports the oldest accept of a state that was ever proven to it.
    Stale => stale::Stale::default(),
    /// Answers owners with old reports.
    Replayer => replayer::Replayer::default(),
    /// Reports accepts that nothing proves, spenders that do not exist, and the last round.
    Garbler => garbler::Garbler::default(),
    /// A denier that also proposes what it gets hold of, in other rounds and with reports left out.
    Forger => denier::Denier,
    /// Reports of one state only, whatever it is asked.
    Partial => partial::Partial,
    /// Passes owners' questions on in its own name, and proposes what the reports do not justify.
    Pleader => pleader::Pleader::default(),
    /// Proposes different batches to different members.
    Twofaced => twofaced::Twofaced::default(),
    /// Proposes one batch with other signatures, roots, epochs and names to different members.
    Resigner => resigner::Resigner,
    /// Puts a transfer into its batch twice, and shows the Lock certificate to one member only.
    Doubler => doubler::Doubler::default(),
    /// Votes wrongly in every way that a form allows.
    Misvoter => misvoter::Misvoter,
    /// Forges certificates in every way.
    Counterfeiter => counterfeiter::Counterfeiter::default(),
    /// Shows what members once signed in another epoch and on another network.
    Foreigner => foreigner::Foreigner,
    /// Records everything and says it again later, also after restarts.
    Parrot => parrot::Parrot::default(),
    /// Says valid things again with one field changed.
    Tweaker => tweaker::Tweaker::default(),
    /// Sends bytes that are no message.
    Babbler => babbler::Babbler::default(),
    /// Lies to those who catch up.
    Chronicler => chronicler::Chronicler,
    /// Proposes transfers whose parents do not exist.
    Inventor => inventor::Inventor::default(),
    /// Proposes transfers that break each rule.
    Vandal => vandal::Vandal::default(),
    /// Two unmodified instances with one key and a disk each; the other one is in the world.
    Twin => Honest,
}

/// Does what an honest member does.
#[derive(Debug)]
struct Honest;

impl Actor for Honest {}
