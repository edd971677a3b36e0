//! `GET /v1/events`: server-sent events. A stream reads from the events that are kept, at its
//! reader's pace: a slow reader holds up nobody and sees a `gap` where it missed some.

use super::answer::bytes;
use super::input::Params;
use super::limits::{EVENT_STREAMS_MAX, EVENTS_AT_ONCE_MAX, KEEP_ALIVE_EVERY};
use super::{Answered, Api};
use crate::error::{Failure, OVERLOADED, USAGE};
use crate::events::Event;
use crate::handle::Handle;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use hyper::body::Frame;
use serde_json::json;
use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Opens a stream: after the number in `Last-Event-ID`, or with the next event.
pub(super) async fn stream(State(api): State<Api>, params: Params, headers: HeaderMap) -> Answered {
    params.only(&[])?;
    let last = match headers.get("last-event-id").map(|value| value.to_str()) {
        None => None,
        Some(Ok("")) => None,
        Some(text) => {
            let number = text.ok().and_then(|text| text.parse::<u64>().ok());
            let bad = || Failure::new(USAGE, "Last-Event-ID is the number of an event seen before");
            Some(number.ok_or_else(bad)?)
        }
    };
    let permit = api.event_streams.clone().try_acquire_owned().map_err(|_| {
        let what = format!("{EVENT_STREAMS_MAX} streams of events are open");
        Failure::new(OVERLOADED, what).help("close one, or ask another validator")
    })?;
    let newest = api.shared().events.follow();
    let at = last.unwrap_or(*newest.borrow());
    let stopping = api.stopping.clone();
    let reader =
        Reader { handle: api.handle, newest, at, stopping, is_opened: false, _permit: permit };
    Ok(bytes(StatusCode::OK, "text/event-stream", Body::new(EventBody::of(reader))))
}

/// One reader's place in the stream.
struct Reader {
    handle: Handle,
    newest: watch::Receiver<u64>,
    /// Number of the last event that was written.
    at: u64,
    stopping: watch::Receiver<bool>,
    is_opened: bool,
    _permit: OwnedSemaphorePermit,
}

impl Writer for Reader {
    async fn next(mut self) -> Option<(Self, Bytes)> {
        if !self.is_opened {
            self.is_opened = true;
            return Some((self, "retry: 1000\n\n".into()));
        }
        loop {
            let newest = *self.newest.borrow_and_update();
            if let Some(text) = self.text(newest) {
                return Some((self, text.into()));
            }
            if is_quiet(&mut self.newest, &mut self.stopping).await? {
                return Some((self, KEEP_ALIVE.into()));
            }
        }
    }
}

impl Reader {
    /// What there is to write now.
    fn text(&mut self, newest: u64) -> Option<String> {
        let mut text = String::new();
        let known = &self.handle.shared.events;
        // The number may be of another run of the node: nobody knows what was missed.
        let is_foreign = self.at > newest || self.at < known.base();
        if is_foreign {
            self.at = known.base();
        }
        let (lost, events) = known.after(self.at, EVENTS_AT_ONCE_MAX);
        if is_foreign || lost > 0 {
            gap(&mut text, Some(lost).filter(|_| !is_foreign));
            self.at += lost;
        }
        for event in &events {
            write_event(&mut text, event);
            self.at = event.number;
        }
        (!text.is_empty()).then_some(text)
    }
}

fn gap(text: &mut String, missed: Option<u64>) {
    let data = json!({"schema": "quorate.gap/1", "ok": true, "missed": missed});
    write!(text, "event: gap\ndata: {data}\n\n").expect("writing to a string cannot fail");
}

/// JSON has no line breaks in its compact form, so one `data:` line holds it.
fn write_event(text: &mut String, event: &Event) {
    let Event { number, kind, data } = event;
    write!(text, "id: {number}\nevent: {kind}\ndata: {data}\n\n")
        .expect("writing to a string cannot fail");
}

/// What a stream says when there is nothing to tell: a comment, as the standard has it.
pub(super) const KEEP_ALIVE: &str = ":\n\n";

/// Waits for news, at most until it is time to say that the stream is alive; `None` when the server
/// ends.
pub(super) async fn is_quiet(
    newest: &mut watch::Receiver<u64>,
    stopping: &mut watch::Receiver<bool>,
) -> Option<bool> {
    tokio::select! {
        changed = newest.changed() => changed.map(|()| false).ok(),
        () = super::stopped(stopping) => None,
        () = tokio::time::sleep(KEEP_ALIVE_EVERY) => Some(true),
    }
}

/// A body that asks for the next text when the connection has room for it.
pub(super) struct EventBody<W> {
    next: Next<W>,
}

type Next<W> = Pin<Box<dyn Future<Output = Option<(W, Bytes)>> + Send>>;

/// Who writes a stream: gives itself back with each text.
pub(super) trait Writer: Sized + Send + 'static {
    /// The next text to write; `None` at the end.
    fn next(self) -> impl Future<Output = Option<(Self, Bytes)>> + Send;
}

impl<W: Writer> EventBody<W> {
    /// Asks the writer when the connection has room, and not before.
    pub(super) fn of(writer: W) -> Self {
        Self { next: Box::pin(writer.next()) }
    }
}

impl<W: Writer> hyper::body::Body for EventBody<W> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.next.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.next = Box::pin(std::future::pending());
                Poll::Ready(None)
            }
            Poll::Ready(Some((reader, text))) => {
                self.next = Box::pin(reader.next());
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
        }
    }
}
