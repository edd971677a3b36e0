//! The answering side of the batched protocol: reads requests of many peers, answers them from the
//! records in memory, in order, on one stream each.
//!
//! A peer that asks more than its share is refused, not waited for; one that reads slowly or sends
//! what is no request loses its stream.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::{AsyncReadExt, StreamExt};
use libp2p::{PeerId, Stream};
use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinSet, time::Instant, time::timeout};

use crate::{
    ContentId,
    batch::{self, REQUEST_BYTES_MAX, server::answer},
    records::Records,
    swarm::streams::IncomingStreams,
};

/// Streams of one peer: one is enough, one more may be on its way out.
const STREAMS_PER_PEER_MAX: u32 = 4;
/// Streams of all peers: the limits on connections are met first, so that no peer takes the
/// streams of others.
const STREAMS_MAX: usize = 2_048;
/// A stream that is silent for so long is closed; the peer opens another.
const SILENT_MAX: Duration = Duration::from_secs(600);
/// How long a peer may take to read one answer.
const WRITE_MAX: Duration = Duration::from_secs(2);
/// Keys that one peer may ask or announce a second, in the long run. A validator at 10,000
/// transfers a second needs a tenth of it.
const KEYS_PER_SECOND: f64 = 200_000.0;
/// Keys that it may ask at once.
const KEYS_BURST: f64 = 400_000.0;
/// Peers whose use is remembered.
const PEERS_MAX: usize = 4_096;
/// Groups of new keys that wait for the loop; when it is full, cached answers live out their time.
pub const NEWS_MAX: usize = 256;

/// Unix time in seconds; records carry it over restarts.
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// What one peer uses.
#[derive(Debug)]
struct Use {
    streams: u32,
    keys_left: f64,
    at: Instant,
}

impl Use {
    fn new(now: Instant) -> Self {
        Self { streams: 0, keys_left: KEYS_BURST, at: now }
    }

    /// Takes keys out of the bucket; `false` when there are not so many.
    fn take(&mut self, now: Instant, count: usize) -> bool {
        let refill = now.duration_since(self.at).as_secs_f64() * KEYS_PER_SECOND;
        self.keys_left = (self.keys_left + refill).min(KEYS_BURST);
        self.at = now;
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let is_enough = self.keys_left >= count;
        if is_enough {
            self.keys_left -= count;
        }
        is_enough
    }
}

#[derive(Debug, Default)]
struct Uses(Mutex<HashMap<PeerId, Use>>);

impl Uses {
    fn open(&self, peer: PeerId, now: Instant) -> bool {
        let mut uses = self.0.lock();
        if uses.len() >= PEERS_MAX && !uses.contains_key(&peer) {
            uses.retain(|_, one| one.streams > 0);
        }
        let one = uses.entry(peer).or_insert_with(|| Use::new(now));
        let is_free = one.streams < STREAMS_PER_PEER_MAX;
        if is_free {
            one.streams += 1;
        }
        is_free
    }

    fn close(&self, peer: &PeerId) {
        if let Some(one) = self.0.lock().get_mut(peer) {
            one.streams -= 1;
        }
    }

    fn take(&self, peer: PeerId, now: Instant, count: usize) -> bool {
        self.0.lock().entry(peer).or_insert_with(|| Use::new(now)).take(now, count)
    }
}

/// Answers all peers until the swarm ends. `news` gets the keys that have a new provider.
pub async fn serve(
    mut incoming: IncomingStreams,
    records: Arc<Records>,
    news: mpsc::Sender<Vec<ContentId>>,
) {
    let uses = Arc::new(Uses::default());
    let mut tasks = JoinSet::new();
    while let Some((peer, stream)) = incoming.next().await {
        while tasks.try_join_next().is_some() {}
        if tasks.len() >= STREAMS_MAX || !uses.open(peer, Instant::now()) {
            tracing::debug!(%peer, "too many streams; one is refused");
            continue;
        }
        let (uses, records, news) = (uses.clone(), records.clone(), news.clone());
        tasks.spawn(async move {
            serve_stream(peer, stream, &uses, &records, &news).await;
            uses.close(&peer);
        });
    }
}

async fn serve_stream(
    peer: PeerId,
    stream: Stream,
    uses: &Uses,
    records: &Records,
    news: &mpsc::Sender<Vec<ContentId>>,
) {
    let (mut reader, mut writer) = stream.split();
    loop {
        let read = timeout(SILENT_MAX, batch::read_frame(&mut reader, REQUEST_BYTES_MAX)).await;
        let Ok(Ok(Some(body))) = read else { return };
        let request = match batch::Request::decode(&body) {
            Ok(request) => request,
            Err(error) => {
                tracing::debug!(%peer, %error, "a request that is none; the stream is closed");
                return;
            }
        };
        let reply = if uses.take(peer, Instant::now(), request.keys().len()) {
            let answered = answer(records, unix_seconds(), peer, &request, batch::KEYS_MAX);
            if !answered.new.is_empty() {
                // When it is full, cached answers live out their few seconds.
                drop(news.try_send(answered.new));
            }
            answered.reply
        } else {
            batch::Reply::Refused { number: request.number(), why: batch::Why::Busy }
        };
        let body = reply.encode();
        match timeout(WRITE_MAX, batch::write_frame(&mut writer, &body)).await {
            // Whoever asks without a pause leaves the others their turn.
            Ok(Ok(())) => tokio::task::yield_now().await,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_its_share_and_no_more() {
        let (start, mut one) = (Instant::now(), Use::new(Instant::now()));
        assert!(one.take(start, 400_000));
        assert!(!one.take(start, 4_096));
        let later = start + Duration::from_millis(100);
        assert!(one.take(later, 4_096));
        assert!(!one.take(later, 400_000));
    }

    #[test]
    fn streams_of_one_peer_are_counted() {
        let (uses, peer, now) = (Uses::default(), PeerId::random(), Instant::now());
        for _ in 0..STREAMS_PER_PEER_MAX {
            assert!(uses.open(peer, now));
        }
        assert!(!uses.open(peer, now));
        assert!(uses.open(PeerId::random(), now));
        uses.close(&peer);
        assert!(uses.open(peer, now));
        for _ in 0..PEERS_MAX + 9 {
            let peer = PeerId::random();
            assert!(uses.open(peer, now));
            uses.close(&peer);
        }
        assert!(uses.0.lock().len() <= PEERS_MAX);
    }
}
