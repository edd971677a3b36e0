//! Files by CID: streamed to a node and from it, piece by piece. The first node that can be
//! connected to is asked; a file is not begun at one node and ended at another, and to run the same
//! command again is always safe: the same bytes have the same CID.

use super::answer::Answer;
use super::connection::{Ask, Node, Open};
use super::{Client, unreachable};
use crate::error::{Failure, UNREACHABLE};
use crate::view::ContentDocument;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{Request, Response};
use ipfs_adapter::ContentId;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

/// Bytes that are read from a file at once.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that wait to be sent.
const PIECES_MAX: usize = 4;
/// How long a node may take for the next piece, either way.
const STALL_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a node may take for its answer once it has the whole file: it hashes it again to pin it
/// and announces it.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(300);
/// How much longer than it was told to wait a node may take to say that nobody has a file.
const GRACE: Duration = Duration::from_secs(10);
/// Largest document that is read in answer.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// A file as the body of a request.
struct Upload {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = ready!(self.pieces.poll_recv(context));
        if let Some(Ok(bytes)) = &piece {
            let count = u64::try_from(bytes.len()).expect("a piece");
            self.left = self.left.saturating_sub(count);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Client {
    /// How much of a file the first node that answers has.
    ///
    /// # Errors
    /// As all reads.
    pub async fn content_stat(&self, cid: ContentId) -> Result<ContentDocument, Failure> {
        self.document(&format!("/v1/content/{cid}/stat")).await
    }

    /// Has a node fetch a file and keep it. Takes as long as the fetching does.
    ///
    /// # Errors
    /// As all reads; `content_not_found`, `store_full`.
    pub async fn content_pin(
        &self,
        cid: ContentId,
        wait: Duration,
    ) -> Result<ContentDocument, Failure> {
        let path = format!("/v1/content/{cid}/pin?wait={}ms", wait.as_millis());
        let mut errors = Vec::new();
        for node in &self.nodes {
            let ask = Ask { path: &path, body: Some(Bytes::new()) };
            match node.ask(ask, Instant::now() + ANSWER_TIME_MAX).await {
                Ok(answer) => return answer.document_of(&[200]),
                Err(lost) if lost.may_be_sent => return Err(lost_at(node, &lost.why)),
                Err(lost) => errors.push(format!("{}: {lost}", node.url())),
            }
        }
        Err(unreachable(&errors, "nothing was changed"))
    }

    /// Sends the first `bytes` bytes of a file, from where it stands; `told` learns how many are
    /// sent.
    ///
    /// # Errors
    /// As all reads; `store_full`, `too_large`.
    pub async fn content_put(
        &self,
        mut file: File,
        bytes: u64,
        mut told: impl FnMut(u64),
    ) -> Result<ContentDocument, Failure> {
        let (pieces_in, pieces) = mpsc::channel(PIECES_MAX);
        let (node, mut open) = self.open::<Upload>().await?;
        let request = node.request_to("PUT", "/v1/content", Upload { pieces, left: bytes });
        let answering = open.sender.send_request(request);
        tokio::pin!(answering);
        let feeding = feed(&mut file, bytes, pieces_in, &mut told);
        let response = tokio::select! {
            biased;
            // A refusal comes before all is sent.
            response = &mut answering => response,
            fed = feeding => {
                fed.map_err(|error| lost_at(node, &error.to_string()))?;
                let answered = tokio::time::timeout(ANSWER_TIME_MAX, answering).await;
                answered.map_err(|_| lost_at(node, "no answer in time"))?
            }
        };
        let response = response.map_err(|error| lost_at(node, &error.to_string()))?;
        whole(node, response).await?.document_of(&[200])
    }

    /// A file, piece by piece, to `taken` (the piece, and the file's size). Returns its size.
    ///
    /// # Errors
    /// As all reads; `content_not_found` when nobody had it within `wait`; what `taken` says.
    pub async fn content_get(
        &self,
        cid: ContentId,
        wait: Duration,
        mut taken: impl FnMut(&[u8], u64) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let path = format!("/v1/content/{cid}?wait={}ms", wait.as_millis());
        let (node, mut open) = self.open::<http_body_util::Empty<Bytes>>().await?;
        let request = node.request_to("GET", &path, http_body_util::Empty::new());
        let answered = tokio::time::timeout(wait + GRACE, open.sender.send_request(request)).await;
        let response = answered.map_err(|_| lost_at(node, "no answer in time"))?;
        let response = response.map_err(|error| lost_at(node, &error.to_string()))?;
        if response.status() != hyper::StatusCode::OK {
            return Err(whole(node, response).await?.failure());
        }
        let mut body = response.into_body();
        let bytes = body.size_hint().exact().unwrap_or_default();
        while let Some(frame) = tokio::time::timeout(STALL_TIME_MAX, body.frame())
            .await
            .map_err(|_| lost_at(node, "the next bytes did not come in time"))?
        {
            // A body that ends before its size is an error here.
            let frame = frame.map_err(|error| lost_at(node, &error.to_string()))?;
            if let Some(piece) = frame.data_ref() {
                taken(piece, bytes)?;
            }
        }
        Ok(bytes)
    }

    /// A connection of its own to the first node that has one.
    async fn open<B>(&self) -> Result<(&Node, Open<B>), Failure>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        let deadline = Instant::now() + self.timeout;
        let mut errors = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            match node.open(self.attempt_until(index, deadline)).await {
                Ok(open) => return Ok((node, open)),
                Err(why) => errors.push(format!("{}: {why}", node.url())),
            }
        }
        Err(unreachable(&errors, "nothing was sent"))
    }
}

/// Reads the file into the channel; ends early when nobody takes the pieces any more.
async fn feed(
    file: &mut File,
    bytes: u64,
    pieces: mpsc::Sender<io::Result<Bytes>>,
    told: &mut impl FnMut(u64),
) -> io::Result<()> {
    let mut sent = 0;
    while sent < bytes {
        let left = usize::try_from(bytes - sent).unwrap_or(usize::MAX);
        let mut piece = vec![0; left.min(PIECE_BYTES)];
        let count = file.read(&mut piece).await?;
        if count == 0 {
            return Err(io::Error::other("the file became shorter while it was read"));
        }
        piece.truncate(count);
        match pieces.send_timeout(Ok(piece.into()), STALL_TIME_MAX).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return Ok(()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                return Err(io::Error::other("the node takes no more bytes"));
            }
        }
        sent += u64::try_from(count).expect("a piece");
        told(sent);
    }
    Ok(())
}

/// A short answer.
async fn whole(node: &Node, response: Response<Incoming>) -> Result<Answer, Failure> {
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), DOCUMENT_BYTES_MAX).collect();
    let body = tokio::time::timeout(STALL_TIME_MAX, body).await;
    let body = body.map_err(|_| lost_at(node, "its answer did not come in time"))?;
    let body = body.map_err(|error| lost_at(node, &error.to_string()))?;
    Ok(Answer { status, body: body.to_bytes(), url: node.url().into() })
}

fn lost_at(node: &Node, why: &str) -> Failure {
    let what = format!("the connection to {} was lost: {why}; nothing was kept", node.url());
    Failure::new(UNREACHABLE, what).help("run the same command again: it goes on where it stood")
}

impl Node {
    fn request_to<B>(&self, method: &str, path: &str, body: B) -> Request<B> {
        let builder = Request::builder().method(method).uri(path);
        let builder = builder.header(hyper::header::HOST, self.authority());
        let builder = builder.header(hyper::header::CONNECTION, "close");
        builder.body(body).expect("a path of a CID and a number, and a checked authority")
    }
}
