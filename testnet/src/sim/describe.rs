//! A line for people about what happens: who, what, which batch, which of its transfers.

use super::packet::Packet;
use consensus::Verdict;
use consensus::message::{Message, Reply, Request};
use consensus::{Judged, Proposal};
use ledger::{Bitmap, Certificate, Phase};
use std::fmt::Display;

/// Bits of a bitmap that are written out.
const BITS_MAX: usize = 16;

/// The beginning of an id.
pub fn short(id: &impl Display) -> String {
    id.to_string().chars().take(8).collect()
}

/// `1.1`: the first and the third transfer of three.
fn bits(bitmap: &Bitmap) -> String {
    let bit = |index: usize| if bitmap.has(index) { '1' } else { '.' };
    let shown: String = (0..bitmap.count().min(BITS_MAX)).map(bit).collect();
    let more = if bitmap.count() > BITS_MAX { "…" } else { "" };
    format!("{shown}{more}")
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Lock => "lock",
        Phase::Commit => "commit",
    }
}

fn proposal(proposal: &Proposal) -> String {
    let rounds: Vec<String> =
        proposal.entries.iter().map(|entry| entry.round.to_string()).collect();
    let batch = short(&proposal.claimed);
    format!("proposes batch {batch} of {}, rounds {}", rounds.len(), rounds.join(" "))
}

fn certificate(certificate: &Certificate) -> String {
    let groups = certificate.groups.iter().map(|group| {
        let members = group.votes.iter().map(|vote| format!("v{}", vote.member));
        format!("{} of {}", bits(&group.bitmap), members.collect::<Vec<_>>().join(" "))
    });
    let (batch, groups) = (short(&certificate.batch), groups.collect::<Vec<_>>().join(", "));
    format!("{} certificate of batch {batch}: {groups}", phase(certificate.phase))
}

/// What a packet says.
pub fn packet(packet: &Packet) -> String {
    match packet {
        Packet::Message(message) => say(message),
        Packet::Ask(request) => format!("asks {}", ask(request)),
        Packet::Tell(request, reply) => format!("tells {}: {}", ask(request), tell(reply)),
        Packet::Bytes(frames) => format!("sends {} frames of anything", frames.len()),
    }
}

fn say(message: &Message) -> String {
    match message {
        Message::Propose(it) => proposal(it),
        Message::Answer(it) => {
            let vote = match &it.vote {
                Some(vote) => format!("votes {} {}", phase(it.phase), bits(&vote.ballot.bitmap)),
                None => format!("gives no {} vote", phase(it.phase)),
            };
            let refused = match it.refused.len() {
                0 => String::new(),
                count => format!(", refuses {count}"),
            };
            format!("{vote} on batch {}{refused}", short(&it.batch))
        }
        Message::Certify(it) => format!("shows the {}", certificate(it)),
        Message::Proof(it) => format!("proves by the {}", certificate(&it.certificate)),
        Message::Progress(it) => format!("is at {} applied, {} lines", it.applied, it.lines),
        Message::Recover(it) => {
            let rounds = it.iter().map(|signed| signed.recover.round.to_string());
            format!("passes on recovers, rounds {}", rounds.collect::<Vec<_>>().join(" "))
        }
        Message::Report(it) => match &it.report {
            Some(report) => {
                let report = &report.report;
                let accepted = report.claims.iter().filter(|claim| claim.accepted.is_some());
                let (states, accepted) = (report.claims.len(), accepted.count());
                format!("reports round {}: {states} states, {accepted} accepted", report.round)
            }
            None => format!("withholds a report: {:?}", it.withheld),
        },
    }
}

fn ask(request: &Request) -> String {
    match request {
        Request::Log { from } => format!("for its log from {from}"),
        Request::Applied(ids) => format!("for {} applied batches", ids.len()),
        Request::Transfers(ids) => format!("for {} final transfers", ids.len()),
        Request::Batches(ids) => format!("for {} batches", ids.len()),
        Request::Locks(states) => format!("for locks of {} states", states.len()),
        Request::Snapshot => "for its snapshot".into(),
    }
}

fn tell(reply: &Reply) -> String {
    match reply {
        Reply::Log { lines, from } => format!("{} of {lines} lines", from.len()),
        Reply::Applied(list) => format!("{} applied batches", list.len()),
        Reply::Batches(list) => format!("{} batches", list.len()),
        _ => "something".into(),
    }
}

/// What a pipeline found.
pub fn judged(judged: &Judged) -> String {
    let verdict = |verdict: &Option<Verdict>| match verdict {
        None => '-',
        Some(Verdict::Valid) => '1',
        Some(Verdict::Invalid(_)) => '0',
        Some(Verdict::Unknown(_)) => '?',
    };
    let verdicts: String = judged.verdicts.iter().take(BITS_MAX).map(verdict).collect();
    format!("has judged batch {}: {verdicts}", short(&judged.proposal.claimed))
}
