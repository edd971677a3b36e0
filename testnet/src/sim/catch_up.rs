//! A simple form of catching up: compare progress, read the other's applied log, ask for the
//! batches that
//! are missing here.

use super::archive::Archive;
use super::packet::Packet;
use super::plan::MEMBERS;
use consensus::Fetch;
use consensus::message::{Message, Progress, Reply, Request};
use ledger::BatchId;
use rand::RngExt;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet};

/// Peers that must have been heard before a restarted node votes: with itself a quorum.
const HEARD_MIN: usize = 4;
/// Questions that wait for answers; an answer to an older one comes too late.
const AWAITED_MAX: usize = 64;

/// What a node knows of the others' logs.
#[derive(Clone, Debug, Default)]
pub struct CatchUp {
    /// Lines of each peer's log whose transfers are all final here.
    cursors: BTreeMap<u16, u64>,
    /// Up to which position a peer was asked for what its log names of a batch. A line tells how
    /// many of
    /// the batch, not which, so the batch with its certificates decides.
    asked: BTreeMap<(u16, BatchId), u64>,
    /// Up to which position all of that is final here.
    served: BTreeMap<(u16, BatchId), u64>,
    /// Peers that had nothing that is missing here, in this life.
    heard: BTreeSet<u16>,
    /// What was asked and not yet answered, the oldest first. The product has a stream for each
    /// question, so nobody tells what was not asked, or twice.
    awaited: Vec<(u16, Request)>,
}

impl CatchUp {
    /// Whether enough peers have nothing that is missing here.
    pub fn is_done(&self) -> bool {
        self.heard.len() >= HEARD_MIN
    }

    /// A question goes out.
    pub fn asks(&mut self, to: u16, request: &Request) {
        if self.awaited.len() >= AWAITED_MAX {
            self.awaited.remove(0);
        }
        self.awaited.push((to, request.clone()));
    }

    /// Whether somebody was asked this, and has not answered; from now on he has.
    pub fn answered(&mut self, from: u16, request: &Request) -> bool {
        let is_it = |(to, asked): &(u16, Request)| *to == from && asked == request;
        let found = self.awaited.iter().position(is_it);
        found.map(|at| self.awaited.remove(at)).is_some()
    }

    /// A peer tells how far it is.
    pub fn progress(&mut self, from: u16, theirs: Progress, ours: Progress) -> Vec<(u16, Packet)> {
        let cursor = self.cursors.get(&from).copied().unwrap_or(0);
        if theirs.digest == ours.digest || theirs.lines <= cursor {
            self.heard.insert(from);
            return Vec::new();
        }
        vec![(from, Packet::Ask(Request::Log { from: cursor }))]
    }

    /// A peer's log, from a position on: asks for what is missing, or moves on.
    pub fn log(
        &mut self,
        from: u16,
        (at, reply): (u64, &Reply),
        archive: &Archive,
    ) -> Vec<(u16, Packet)> {
        let Reply::Log { lines, from: list } = reply else { return Vec::new() };
        let cursor = self.cursors.entry(from).or_insert(0);
        if *cursor != at {
            return Vec::new();
        }
        let mut missing: Vec<BatchId> = Vec::new();
        for (position, line) in (at..).zip(list) {
            let served = self.served.get(&(from, line.batch));
            let is_served = served.is_some_and(|upto| *upto >= position);
            let is_here = is_served || archive.has_all(&line.batch);
            if is_here && missing.is_empty() {
                *cursor += 1;
            } else if !is_here {
                missing.push(line.batch);
                self.asked.insert((from, line.batch), position);
            }
        }
        if !missing.is_empty() {
            return vec![(from, Packet::Ask(Request::Applied(missing)))];
        }
        if *cursor < *lines {
            return vec![(from, Packet::Ask(Request::Log { from: *cursor }))];
        }
        self.heard.insert(from);
        Vec::new()
    }

    /// A peer has shown a batch with a certificate, and all that it certifies is final here.
    pub fn shown(&mut self, from: u16, batch: BatchId) {
        if let Some(position) = self.asked.get(&(from, batch)) {
            self.served.insert((from, batch), *position);
        }
    }

    /// Whom to ask for what the state machines want.
    pub fn fetch(&self, own: u16, fetch: Fetch, rng: &mut StdRng) -> Vec<(u16, Packet)> {
        let (mut to, request) = match fetch {
            Fetch::Batch { batch, from } => {
                (from.into_iter().take(3).collect::<Vec<_>>(), Request::Batches(vec![batch]))
            }
            Fetch::Parents { transfers, from } => (vec![from], Request::Transfers(transfers)),
        };
        to.push(rng.random_range(0..MEMBERS));
        to.sort_unstable();
        to.dedup();
        to.retain(|to| *to != own && *to < MEMBERS);
        to.into_iter().map(|to| (to, Packet::Ask(request.clone()))).collect()
    }
}

/// Answers a request from an archive; nothing for what is not served here.
pub fn serve(archive: &Archive, request: &Request) -> Option<Reply> {
    let reply = match request {
        Request::Log { from } => Reply::Log {
            lines: u64::try_from(archive.lines()).expect("small"),
            from: archive.log(usize::try_from(*from).unwrap_or(usize::MAX)),
        },
        Request::Applied(ids) => {
            Reply::Applied(ids.iter().flat_map(|id| archive.applied(id)).collect())
        }
        Request::Transfers(ids) => {
            let batches: BTreeSet<&BatchId> =
                ids.iter().filter_map(|id| archive.made_final(id)).collect();
            Reply::Applied(batches.into_iter().flat_map(|id| archive.applied(id)).collect())
        }
        Request::Batches(ids) => {
            let of = |id: &BatchId| archive.batch(id).map(|(proposal, _)| (**proposal).clone());
            Reply::Batches(ids.iter().filter_map(of).collect())
        }
        Request::Locks(_) | Request::Snapshot => return None,
    };
    Some(reply)
}

/// The message that tells how far a node is.
pub fn tell(progress: Progress) -> Packet {
    Packet::Message(Message::Progress(progress))
}
