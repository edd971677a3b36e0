//! The lines of a trace: each event in words, for who replays a seed.

use super::{Event, World};
use crate::sim::describe::{judged, packet, short};
use crate::sim::node::Timer;

impl World {
    /// Writes down what is about to happen, if anybody reads it.
    pub(super) fn tell(&mut self, event: &Event) {
        if self.trace.is_read()
            && let Some(line) = self.telling(event)
        {
            self.trace.line(self.now_us, &line);
        }
    }

    fn telling(&self, event: &Event) -> Option<String> {
        Some(match event {
            Event::Deliver { from, to, parcel } => {
                let is_up = self.nodes[usize::from(*to)].is_up;
                let down = if is_up { "" } else { " (down)" };
                let what = match parcel.open() {
                    Ok(it) => packet(&it),
                    Err(error) => format!("sends what is no message: {error}"),
                };
                format!("v{from} → v{to}{down} {what}")
            }
            Event::Timer { to, life, .. } if self.lives[usize::from(*to)] != *life => return None,
            Event::Timer { to, timer: Timer::Judged(it), .. } => format!("v{to} {}", judged(it)),
            Event::Timer { to, timer: Timer::Synced, .. } => {
                let durable = self.nodes[usize::from(*to)].store.durable();
                format!("v{to} ends a sync after {durable} durable records")
            }
            Event::Submit { to, entry } => {
                let id = short(&entry.signed.transfer.id());
                format!("client → v{to} submits {id} in round {}", entry.round)
            }
            Event::Recover { to, signed } => {
                let (states, round) = (signed.recover.states.len(), signed.recover.round);
                format!("owner → v{to} asks for round {round} of {states} states")
            }
            Event::Told { by, id, outcome } => {
                format!("v{by} → client {} is {outcome:?}", short(id))
            }
            Event::Conflict => "an owner signs transfers that exclude each other".into(),
            Event::Vanish { to } => format!("v{to} is gone for good"),
            Event::Crash { to, .. } => format!("v{to} loses power"),
            Event::Restart { to } => format!("v{to} starts"),
            Event::Part { side } if side.is_empty() => "the partition heals".into(),
            Event::Part { side } => format!("{side:?} are parted from the others"),
            Event::Link { link: (from, to), until_us, is_clog } => {
                let what = if *is_clog { "clogs" } else { "is cut" };
                format!("the link v{from} → v{to} {what} until {until_us} µs")
            }
            Event::Machine { to, fault } => format!("v{to} meets {fault:?}"),
            Event::Calm => "calm: nothing fails from here on".into(),
            _ => return None,
        })
    }
}
