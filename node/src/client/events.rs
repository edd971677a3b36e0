//! The events of a stream, taken out of its bytes as they come. Not the stream.

use crate::inbox::News;
use ledger::TransferId;
use serde::Deserialize;

/// Bytes of a stream that are kept until an event is whole; ours have about 200.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// What a stream of deliveries tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// From now on nothing is missed.
    Open,
    /// A transfer that concerns one of the addresses was applied.
    Delivery(News),
    /// Deliveries were missed: drain again.
    Gap,
}

/// Bytes of which no whole event has come yet. Who sends them may send one at a time, so none is
/// looked at again for the end of an event.
#[derive(Clone, Debug, Default)]
pub struct EventReader {
    pending: Vec<u8>,
    /// No event ends before this byte.
    searched: usize,
}

impl EventReader {
    /// Takes more bytes; gives the texts of the events that are whole now, each ends with an empty
    /// line. `None` when one is too long: then nothing more is read. Linear in the bytes of all
    /// calls.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Vec<String>> {
        if self.pending.len() + bytes.len() > EVENT_BYTES_MAX {
            return None;
        }
        self.pending.extend_from_slice(bytes);
        let (mut events, mut start) = (Vec::new(), 0);
        while let Some(end) = self.next_end() {
            events.push(String::from_utf8_lossy(&self.pending[start..end]).into_owned());
            (start, self.searched) = (end, end);
        }
        self.pending.drain(..start);
        // The last byte may be the first of an end.
        self.searched = self.pending.len().saturating_sub(1);
        Some(events)
    }

    /// Behind the next empty line.
    fn next_end(&self) -> Option<usize> {
        let fresh = &self.pending[self.searched..];
        fresh.windows(2).position(|pair| pair == b"\n\n").map(|at| self.searched + at + 2)
    }
}

/// An event of `GET /v1/events`.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeEvent {
    /// Counts up; where a stream is taken up again. A `gap` has none.
    pub number: Option<u64>,
    /// `batch`, `transfer`, `validator` or `gap`.
    pub kind: String,
    /// The document.
    pub data: serde_json::Value,
}

impl NodeEvent {
    /// An event's text; `None` for keep-alives.
    pub fn of(text: &str) -> Option<Self> {
        let kind = field(text, "event:")?.to_string();
        let data = serde_json::from_str(field(text, "data:")?).ok()?;
        Some(Self { number: field(text, "id:").and_then(|id| id.parse().ok()), kind, data })
    }
}

/// What stands behind a field's name, without spaces around it.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

impl StreamEvent {
    /// An event's text; `None` for keep-alives and kinds that are not known.
    pub fn of(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Data {
            id: TransferId,
            sequence: u64,
        }
        match field(text, "event:")? {
            "open" => Some(Self::Open),
            "gap" => Some(Self::Gap),
            "delivery" => {
                let Data { id, sequence } = serde_json::from_str(field(text, "data:")?).ok()?;
                Some(Self::Delivery(News { sequence, id }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_events_are_taken_and_a_begun_one_stays() {
        let mut reader = EventReader::default();
        let found = reader.push(b"event: gap\n\n:\n\nevent: open\n\nevent: ga");
        let texts = ["event: gap\n\n", ":\n\n", "event: open\n\n"];
        assert_eq!(found, Some(texts.map(String::from).to_vec()));
        assert_eq!(reader.pending, b"event: ga");
        assert_eq!(reader.push(b"p\n"), Some(vec![]));
        assert_eq!(reader.push(b"\n"), Some(vec!["event: gap\n\n".into()]));
        assert!(reader.pending.is_empty());
    }

    #[test]
    fn an_event_of_the_node_has_a_number_a_kind_and_a_document() {
        let text = "id: 9\nevent: batch\ndata: {\"transfers\":3}\n\n";
        let event = NodeEvent::of(text).expect("an event");
        assert_eq!((event.number, event.kind.as_str()), (Some(9), "batch"));
        assert_eq!(event.data["transfers"], 3);
        assert_eq!(NodeEvent::of(":\n\n"), None);
        assert_eq!(NodeEvent::of("event: batch\ndata: {\n\n"), None);
    }

    #[test]
    fn a_dripped_event_is_not_searched_from_its_beginning_with_each_byte() {
        let mut reader = EventReader::default();
        for byte in 1..EVENT_BYTES_MAX {
            assert_eq!(reader.push(b"x"), Some(vec![]));
            assert_eq!(reader.searched, byte - 1);
        }
        assert_eq!(reader.push(b"\n"), Some(vec![]));
        assert_eq!(reader.push(b"\n"), None, "an event above the limit");
    }

    #[test]
    fn events_are_read_and_the_rest_is_passed_over() {
        let id = TransferId::default();
        let text = format!(
            "id: 7\nevent: delivery\ndata: {{\"schema\":\"x\",\"id\":\"{id}\",\"sequence\":7}}\n\n"
        );
        let news = StreamEvent::Delivery(News { sequence: 7, id });
        assert_eq!(StreamEvent::of(&text), Some(news));
        assert_eq!(
            StreamEvent::of("retry: 1000\nevent: open\ndata: {}\n\n"),
            Some(StreamEvent::Open)
        );
        assert_eq!(StreamEvent::of("event: gap\ndata: {}\n\n"), Some(StreamEvent::Gap));
        for other in [":\n\n", "", "event: delivery\ndata: {}\n\n", "event: more\ndata: x\n\n"] {
            assert_eq!(StreamEvent::of(other), None, "{other:?}");
        }
    }
}
