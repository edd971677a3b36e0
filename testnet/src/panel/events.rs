//! A validator's stream of events, passed back with each number under the name of its process.
//! Each validator counts its own events: a browser that comes again with a number of another's has
//! missed nobody knows what, so it is told of a gap, and the stream begins with what comes next.

use super::forward::Held;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use node::client::EventReader;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a browser takes for the missed events of another validator.
const GAP: &str =
    "event: gap\ndata: {\"schema\":\"quorate.gap/1\",\"ok\":true,\"missed\":null}\n\n";

/// The stream. When the validator does not run any more it ends as if it were whole: a browser
/// opens it again and complains of nothing.
pub(super) struct Events {
    body: Incoming,
    held: Held,
    reader: EventReader,
    origin: String,
    /// What is said before anything of the validator's.
    first: Option<String>,
}

impl Events {
    /// Of the events in `body`, whose numbers are those of `origin`.
    pub(super) fn new(body: Incoming, held: Held, origin: String, is_gap: bool) -> Self {
        // A number without an event: who has seen none yet comes again with it.
        let gap = if is_gap { GAP } else { "" };
        let first = Some(format!("id: {origin}.\n\n{gap}"));
        Self { body, held, reader: EventReader::default(), origin, first }
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first.into()))));
        }
        while let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let Some(Ok(frame)) = frame else { return Poll::Ready(None) };
            let Ok(bytes) = frame.into_data() else { continue };
            let Some(texts) = self.reader.push(&bytes) else { return Poll::Ready(None) };
            if !texts.is_empty() {
                let texts: Vec<String> =
                    texts.iter().map(|text| renumbered(text, &self.origin)).collect();
                return Poll::Ready(Some(Ok(Frame::data(texts.concat().into()))));
            }
        }
        self.held.poll_halted(context).map(|()| None)
    }
}

/// An event's text with its number under the origin's name.
fn renumbered(text: &str, origin: &str) -> String {
    match text.strip_prefix("id: ") {
        Some(rest) => format!("id: {origin}.{rest}"),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use node::client::NodeEvent;

    #[test]
    fn numbers_are_named_and_nothing_else_is_changed() {
        let text = "id: 9\nevent: batch\ndata: {\"memo\":\"id: 9\"}\n\n";
        let named = renumbered(text, "v0-1-2");
        assert_eq!(named, "id: v0-1-2.9\nevent: batch\ndata: {\"memo\":\"id: 9\"}\n\n");
        for text in [":\n\n", "retry: 1000\n\n", GAP] {
            assert_eq!(renumbered(text, "v0-1-2"), text);
        }
        let gap = NodeEvent::of(GAP).expect("an event");
        assert_eq!((gap.kind.as_str(), gap.number), ("gap", None));
    }
}
