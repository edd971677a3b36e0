//! One peer's task: what is wanted of it, what it wants, its streams and the message on its way.
//!
//! ```text
//!  hub ─Event─▶ ┌ Link ───────────────────────────────┐
//!               │ Wants (ours)     Wantlist (theirs)  │◀─ put notices
//!   readers ───▶│   │                │ look_up ───────┼─▶ blocking pool
//!  (messages)   │   └──▶ compose ◀───┘                │
//!               └──────────│──────────────────────────┘
//!                          ▼ Outbound: one stream, one message at a time
//! ```
//!
//! While a message is being written, calls, answers and wants gather for the next one: that merges
//! them, and it is what bounds the bytes in flight. Nothing here blocks on the peer.

mod look_up;
mod turn;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{AsyncRead, future::BoxFuture};
use libp2p::{PeerId, Stream};
use tokio::{
    select,
    sync::{
        broadcast::{self, error::RecvError},
        mpsc,
    },
    task::{AbortHandle, JoinSet},
    time::sleep_until,
};

use self::look_up::LookedUp;
use super::{
    Shared,
    error::FetchError,
    frame::{self, Budget, Frame, FrameError},
    limits::{ATTEMPTS_MAX, READ_DEADLINE, TICK, TICK_IDLE},
    message::{Message, Presence, id_of},
    outbound::{Outbound, Progress},
    wantlist::Wantlist,
    wants::{BlockReply, HaveReply, Wants},
};
use crate::ContentId;

/// Messages that were read and wait to be handled: the readers wait, so peers are slowed down.
const FRAMES_WAITING_MAX: usize = 1;

/// What the hub hands a peer's task.
pub(super) enum Event {
    /// A call for a block.
    Fetch { id: ContentId, reply: BlockReply },
    /// A call about many: answers go to `to` with the index into `ids`.
    Have { ids: Vec<ContentId>, to: mpsc::Sender<(usize, Result<bool, FetchError>)> },
    /// A stream that the peer has opened.
    Stream(Stream),
}

impl Event {
    /// Tells whoever waits that nothing will come.
    pub(super) fn refuse(self, error: FetchError) {
        match self {
            Event::Fetch { reply, .. } => drop(reply.send(Err(error))),
            // One error answers the whole call.
            Event::Have { to, .. } => drop(to.try_send((0, Err(error)))),
            Event::Stream(stream) => drop(stream),
        }
    }
}

/// Which stream a reader reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Inbound,
    /// Opened by us, and the how manieth; a peer may answer there.
    Outbound(u64),
}

struct ReaderEnd {
    origin: Origin,
    result: Result<(), FrameError>,
}

/// The task's state.
pub(super) struct Link {
    peer: PeerId,
    shared: Arc<Shared>,
    events: mpsc::Receiver<Event>,
    notices: broadcast::Receiver<ContentId>,
    wants: Wants,
    wantlist: Wantlist,
    outbound: Outbound,
    /// How many outbound streams there were; names the current one.
    outbound_count: u64,
    outbound_reader: Option<AbortHandle>,
    /// Outbound streams that ended since the peer last said anything.
    break_count: u32,
    readers: JoinSet<ReaderEnd>,
    inbound_count: usize,
    frames: mpsc::Receiver<Frame>,
    /// Given to every reader.
    frames_in: mpsc::Sender<Frame>,
    budget: Budget,
    looking_up: Option<BoxFuture<'static, LookedUp>>,
    /// Looked up, waiting for the message before it.
    looked_up: Option<LookedUp>,
    /// The blocks of the message on its way.
    in_flight: Option<turn::InFlight>,
    next_tick: Instant,
    /// Cancels have waited long enough.
    is_flush_due: bool,
    active_at: Instant,
}

impl Link {
    pub(super) fn new(peer: PeerId, shared: Arc<Shared>, events: mpsc::Receiver<Event>) -> Self {
        let (limits, now) = (shared.limits, Instant::now());
        let (frames_in, frames) = mpsc::channel(FRAMES_WAITING_MAX);
        Self {
            peer,
            events,
            notices: shared.notices.subscribe(),
            wants: Wants::new(limits.wants_max, now),
            wantlist: Wantlist::new(limits.wants_max, limits.want_ttl),
            outbound: Outbound::new(peer, shared.control.clone(), limits.write_deadline),
            outbound_count: 0,
            outbound_reader: None,
            break_count: 0,
            readers: JoinSet::new(),
            inbound_count: 0,
            frames,
            frames_in,
            budget: Budget::within(&shared.inbound),
            looking_up: None,
            looked_up: None,
            in_flight: None,
            next_tick: now + TICK_IDLE,
            is_flush_due: false,
            active_at: now,
            shared,
        }
    }

    /// Runs until there has been nothing to do for a while. Gives back what came in the instant
    /// of the end.
    pub(super) async fn run(mut self) -> (PeerId, Vec<Event>) {
        while !self.is_over() {
            self.turn();
            select! {
                event = self.events.recv() => match event {
                    Some(event) => self.on_events(event),
                    None => break,
                },
                // What comes while nobody wants anything is skipped as lag.
                notice = self.notices.recv(), if !self.wantlist.is_empty() => {
                    self.on_notice(notice);
                }
                Some(frame) = self.frames.recv() => self.on_frame(frame),
                Some(end) = self.readers.join_next() => self.on_reader_end(end),
                progress = self.outbound.progress() => self.on_progress(progress),
                Some(found) = wait(&mut self.looking_up) => {
                    self.looking_up = None;
                    self.looked_up = Some(found);
                }
                () = sleep_until(self.next_tick.into()) => self.on_tick(Instant::now()),
            }
        }
        self.events.close();
        let mut left = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            left.push(event);
        }
        self.shared.response_times.lock().remove(&self.peer);
        (self.peer, left)
    }

    /// Takes all that is there, so that calls made together go out together.
    fn on_events(&mut self, first: Event) {
        self.on_event(first);
        while let Ok(event) = self.events.try_recv() {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: Event) {
        self.active_at = Instant::now();
        match event {
            Event::Fetch { id, reply } => self.wants.want_block(id, reply),
            Event::Have { ids, to } => {
                for (index, id) in ids.into_iter().enumerate() {
                    self.wants.want_have(id, HaveReply { index, to: to.clone() });
                }
            }
            Event::Stream(_) if self.inbound_count >= self.shared.limits.streams_per_peer_max => {
                self.shared.counters.refused.add(1);
            }
            Event::Stream(mut stream) => {
                // An idle peer must not hold its connection open by a stream alone.
                stream.ignore_for_keep_alive();
                self.inbound_count += 1;
                self.read(stream, Origin::Inbound);
            }
        }
        self.next_tick = self.next_tick.min(self.active_at + TICK);
    }

    fn read<S>(&mut self, stream: S, origin: Origin) -> AbortHandle
    where
        S: AsyncRead + Unpin + Send + 'static,
    {
        let (budget, to) = (self.budget.clone(), self.frames_in.clone());
        self.readers.spawn(async move {
            let result = read_all(stream, &budget, &to).await;
            ReaderEnd { origin, result }
        })
    }

    fn on_notice(&mut self, notice: Result<ContentId, RecvError>) {
        match notice {
            Ok(id) => self.wantlist.notify(id),
            Err(RecvError::Lagged(_)) => self.wantlist.notify_all(),
            Err(RecvError::Closed) => unreachable!("the task holds the sender, too"),
        }
    }

    fn on_frame(&mut self, Frame { bytes, share }: Frame) {
        let now = Instant::now();
        self.active_at = now;
        let Ok(message) = Message::decode(&bytes) else {
            return self.cut_off();
        };
        self.wants.heard(now);
        self.break_count = 0;
        for block in &message.blocks {
            self.on_block(&block.prefix, &block.data, now);
        }
        for presence in &message.presences {
            self.on_presence(presence, now);
        }
        let refused = self.wantlist.apply(&message, now) + message.left_out;
        self.shared.counters.refused.add(refused);
        drop(share);
    }

    /// The peer breaks the protocol: its streams are dropped, and whoever waits for it is told.
    fn cut_off(&mut self) {
        tracing::debug!(peer = %self.peer, "a Bitswap message makes no sense");
        self.shared.counters.malformed.add(1);
        self.readers = JoinSet::new();
        self.inbound_count = 0;
        self.outbound.abandon();
        self.wants.fail_all(FetchError::Corrupt);
        self.wantlist.clear();
    }

    fn on_block(&mut self, prefix: &[u8], data: &Bytes, now: Instant) {
        // Nobody makes this node hash what it has not asked for.
        let is_wanted = !self.wants.is_empty();
        let id = is_wanted.then(|| id_of(prefix, data)).and_then(Result::ok);
        match id.and_then(|id| self.wants.take(id, data, now)) {
            Some(took) => {
                self.shared.counters.blocks_received.add(1);
                self.shared.counters.bytes_received.add(data.len());
                self.on_response(took);
            }
            None => self.shared.counters.unwanted.add(1),
        }
    }

    fn on_presence(&mut self, presence: &Presence, now: Instant) {
        let id = ContentId::from_bytes(&presence.cid).ok();
        match id.and_then(|id| self.wants.presence(id, presence.is_held, now)) {
            Some(took) => self.on_response(took),
            None => self.shared.counters.unwanted.add(1),
        }
    }

    fn on_response(&self, took: Option<Duration>) {
        if let Some(took) = took {
            self.shared.response_times.lock().insert(self.peer, took);
        }
    }

    fn on_reader_end(&mut self, end: Result<ReaderEnd, tokio::task::JoinError>) {
        let Ok(ReaderEnd { origin, result }) = end else {
            // Aborted by us, when its stream was replaced.
            return;
        };
        if origin == Origin::Inbound {
            self.inbound_count = self.inbound_count.saturating_sub(1);
        }
        match &result {
            Err(FrameError::Oversized) => return self.cut_off(),
            Err(FrameError::Slow) => self.shared.counters.malformed.add(1),
            Ok(()) | Err(FrameError::Stream(_)) => {}
        }
        if origin == Origin::Outbound(self.outbound_count) {
            self.on_break(result.is_err());
        }
    }

    /// The outbound stream's other end is gone, or only its half: some peers close what they do
    /// not use, and then it can still be written. So an end without an error is believed only a
    /// few times.
    fn on_break(&mut self, is_error: bool) {
        if self.wants.is_empty() {
            return self.outbound.abandon();
        }
        self.break_count += 1;
        if self.break_count < ATTEMPTS_MAX {
            self.outbound.abandon();
            self.wants.repeat();
        } else if is_error {
            self.outbound.abandon();
            self.wants.fail_all(FetchError::Unreachable);
        }
    }

    fn on_progress(&mut self, progress: Progress) {
        self.active_at = Instant::now();
        match progress {
            Progress::Opened(half) => {
                self.outbound_count += 1;
                if let Some(reader) = self.outbound_reader.take() {
                    reader.abort();
                }
                let reader = self.read(half, Origin::Outbound(self.outbound_count));
                self.outbound_reader = Some(reader);
            }
            Progress::Sent => {
                if let Some(sent) = self.in_flight.take() {
                    self.shared.counters.blocks_sent.add(sent.block_count);
                    self.shared.counters.bytes_sent.add(sent.bytes);
                }
            }
            Progress::Failed => {
                self.in_flight = None;
                self.looked_up = None;
                self.wants.fail_all(FetchError::Unreachable);
                self.wantlist.clear();
                self.shared.counters.unsent.add(1);
            }
        }
    }

    fn on_tick(&mut self, now: Instant) {
        self.wants.sweep(now);
        self.wantlist.expire(now);
        self.is_flush_due = true;
        self.next_tick = now + if self.wants.is_empty() { TICK_IDLE } else { TICK };
        if self.is_quiet(now) {
            self.outbound.close();
        }
    }
}

/// Reads messages until the stream ends.
async fn read_all<S: AsyncRead + Unpin>(
    mut stream: S,
    budget: &Budget,
    to: &mpsc::Sender<Frame>,
) -> Result<(), FrameError> {
    while let Some(frame) = frame::read(&mut stream, budget, READ_DEADLINE).await? {
        if to.send(frame).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The future's value; `None` at once when there is none, which disables the branch.
async fn wait<T>(future: &mut Option<BoxFuture<'static, T>>) -> Option<T> {
    match future {
        Some(future) => Some(future.await),
        None => None,
    }
}
