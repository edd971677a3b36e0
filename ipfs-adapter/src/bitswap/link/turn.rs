//! What a peer's task does when it has heard all there is: look up, compose, send, or end.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::{Link, look_up::look_up};
use crate::bitswap::{
    answer::Answer,
    limits::BATCH_COUNT,
    message::{Block, Message, Presence, prefix_of},
    wantlist::Settled,
};

/// The blocks of the message on its way.
pub(super) struct InFlight {
    pub block_count: usize,
    pub bytes: usize,
    _room: OwnedSemaphorePermit,
}

impl Link {
    /// Starts whatever can be started.
    pub(super) fn turn(&mut self) {
        if self.looking_up.is_none() && self.looked_up.is_none() && self.wantlist.is_due() {
            let asked = self.wantlist.next_batch(BATCH_COUNT);
            self.looking_up = Some(Box::pin(look_up(Arc::clone(&self.shared), asked)));
        }
        let has_news = self.wants.is_urgent()
            || self.looked_up.is_some()
            || self.wantlist.has_refusals()
            || (self.is_flush_due && self.wants.is_unsaid());
        self.is_flush_due &= self.wants.is_unsaid();
        if has_news && self.outbound.is_ready() {
            let message = self.compose();
            if message != Message::default() {
                self.outbound.send(Bytes::from(message.encode()));
            }
        }
    }

    fn compose(&mut self) -> Message {
        let mut message = Message {
            entries: self.wants.entries(Instant::now()),
            presences: self.wantlist.take_refusals(),
            ..Message::default()
        };
        let Some(found) = self.looked_up.take() else { return message };
        let mut bytes = 0;
        for (asked, answer) in found.answers {
            if self.wantlist.settle(asked, &answer) == Settled::Drop {
                continue;
            }
            match answer {
                Answer::Block(content) => {
                    bytes += content.bytes().len();
                    let data = Bytes::from(content.into_bytes());
                    message.blocks.push(Block { prefix: prefix_of(asked.id), data });
                }
                Answer::Held | Answer::Absent => {
                    let cid = Bytes::from(asked.id.to_bytes());
                    message.presences.push(Presence { cid, is_held: answer == Answer::Held });
                }
                Answer::Failed | Answer::Unread => {}
            }
        }
        let block_count = message.blocks.len();
        self.in_flight =
            (block_count > 0).then_some(InFlight { block_count, bytes, _room: found.room });
        message
    }

    /// Whether nothing is wanted, looked up or sent, and has not been for a while.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        self.wants.is_empty()
            && self.looking_up.is_none()
            && self.looked_up.is_none()
            && now.saturating_duration_since(self.active_at) >= self.shared.limits.idle
    }

    /// Whether the task can end: nothing to do, nothing promised, no stream open.
    pub(super) fn is_over(&self) -> bool {
        self.inbound_count == 0
            && self.wantlist.is_empty()
            && !self.outbound.is_open()
            && self.is_quiet(Instant::now())
    }
}
