//! Bytes that a proposer and one peer exchange for a batch, and for the same transfers as the
//! source design sent them: one JSON request a transfer. Payload only: no headers of HTTP, TLS or
//! QUIC, all of which make the difference larger.

use crate::{Fixture, MEMBERS};
use consensus::{Answer, Batch, Message, Proposal, codec};
use ledger::{Canonical, Phase, SignedTransfer, Vote};
use serde_json::{Value, json};

/// What goes over one link for one batch, bytes of payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Transfers in the batch.
    pub transfers: usize,
    /// The batch's canonical bytes, before compression.
    pub raw: usize,
    /// The proposal's frame, compressed.
    pub proposal: usize,
    /// Two answers with their votes, and two certificates.
    pub votes: usize,
    /// The transfers as JSON, one request each.
    pub json_transfers: usize,
    /// The peer's votes as JSON, one reply a transfer and phase.
    pub json_votes: usize,
}

impl Exchange {
    /// Counts a batch of `count` transfers, see [`Fixture::next_transfers`].
    ///
    /// # Panics
    /// When the fixture has fewer coins.
    pub fn of(fixture: &Fixture, count: usize) -> Self {
        let transfers = fixture.next_transfers(count);
        let json_transfers = transfers.iter().map(|t| json_transfer(t).to_string().len()).sum();
        let (proposal, batch) = fixture.propose(transfers);
        let phases = [Phase::Lock, Phase::Commit];
        let votes = phases.iter().map(|phase| vote_frames(fixture, *phase, &batch)).sum();
        let json_votes = batch.entries().iter().map(|entry| {
            let alone = Batch::new(vec![entry.clone()]);
            let reply = |phase| json_vote(&fixture.vote(MEMBERS - 1, phase, &alone));
            phases.iter().map(|phase| reply(*phase).to_string().len()).sum::<usize>()
        });
        Self {
            transfers: count,
            raw: proposal.to_bytes().len(),
            proposal: frame(&Message::Propose(Proposal::clone(&proposal))),
            votes,
            json_transfers,
            json_votes: json_votes.sum(),
        }
    }

    /// Bytes of all batched messages, both ways.
    pub fn batched(&self) -> usize {
        self.proposal + self.votes
    }

    /// Bytes of all JSON messages, both ways.
    pub fn json(&self) -> usize {
        self.json_transfers + self.json_votes
    }
}

fn frame(message: &Message) -> usize {
    codec::encode(message).len()
}

/// One peer's answer to the proposer and the certificate that comes back.
fn vote_frames(fixture: &Fixture, phase: Phase, batch: &Batch) -> usize {
    let vote = Some(fixture.vote(MEMBERS - 1, phase, batch));
    let answer = Answer { batch: batch.id(), phase, vote, refused: Vec::new() };
    frame(&Message::Answer(answer)) + frame(&Message::Certify(fixture.certificate(phase, batch)))
}

/// A signed transfer as compact JSON: hashes in hex, addresses as did:key. Moves only.
fn json_transfer(signed: &SignedTransfer) -> Value {
    let transfer = &signed.transfer;
    let inputs = transfer.inputs.iter().map(|input| {
        json!({
            "token": input.state.token.to_string(),
            "height": input.state.height,
            "made_by": input.state.made_by.to_string(),
            "asset": input.asset.to_string(),
            "amount": input.amount,
        })
    });
    let outputs = transfer.outputs.iter().map(|output| match output {
        ledger::Output::Move { input, to } => json!({"input": input, "to": to.to_string()}),
        other => panic!("the fixture only moves: {other:?}"),
    });
    json!({
        "network": transfer.network.to_string(),
        "epoch": transfer.epoch,
        "owner": transfer.owner.to_string(),
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
        "signature": hex::encode(signed.signature.0),
    })
}

fn json_vote(vote: &Vote) -> Value {
    let ballot = &vote.ballot;
    json!({
        "epoch": ballot.epoch,
        "phase": match ballot.phase { Phase::Lock => "lock", Phase::Commit => "commit" },
        "transfer": ballot.batch.to_string(),
        "member": vote.member,
        "signature": hex::encode(vote.signature.0),
    })
}
