//! Amnesia is Byzantine (protocol §5): a member that knows of a lost, damaged or rolled back store
//! casts no vote and no report any more.

use super::Broken;
use consensus::message::Message;
use std::collections::BTreeMap;

/// Members that know it, and why.
#[derive(Debug, Default)]
pub struct Silent {
    members: BTreeMap<u16, &'static str>,
}

impl Silent {
    /// A member has learned it.
    pub fn learned(&mut self, member: u16, why: &'static str) {
        self.members.entry(member).or_insert(why);
    }

    /// A member sends a message by itself.
    ///
    /// # Errors
    /// When that is a vote or a report, and it has no right to one.
    pub fn said(&self, member: u16, message: &Message) -> Result<(), Broken> {
        let is_promise = match message {
            Message::Answer(answer) => answer.vote.is_some(),
            Message::Report(reply) => reply.report.is_some(),
            _ => false,
        };
        match self.members.get(&member).filter(|_| is_promise) {
            Some(why) => Err(("silent", format!("member {member} promises after {why}"))),
            None => Ok(()),
        }
    }
}
