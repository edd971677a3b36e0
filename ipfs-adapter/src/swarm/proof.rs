//! `proof/1`: "you say that you have what these keys name; show it". One stream a question.
//!
//! ```text
//!  question: count u16, count x digest (32)
//!  answer:   count u16, count x (index u16, length u32, bytes), indices ascending
//! ```
//!
//! What a proof is, the adapter does not know: bytes that the node's [`Proofs`] makes, and that the
//! asker's node checks. An index that is missing has no proof there, or none that fitted.

use std::{sync::Arc, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{PeerId, Stream, StreamProtocol};
use parking_lot::Mutex;
use tokio::{task::JoinSet, time::timeout};

use super::streams::{Control, IncomingStreams};
use crate::ContentId;

/// The protocol's name; another version is another name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/quorate/proof/1.0.0");
/// Keys of one question.
pub const KEYS_MAX: usize = 256;
/// Bytes of one answer: a receipt of a common transfer has 1 to 2 KB; larger ones need several
/// questions.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Questions answered at once, over all peers; each may read the disk. More are refused.
const SERVING_MAX: usize = 32;
/// Of one peer, so that nobody takes the room of the others.
const SERVING_PER_PEER_MAX: usize = 4;
/// How long a peer may take to send its question and to read the answer.
const SERVE_MAX: Duration = Duration::from_secs(5);

/// Makes proofs; the node's part.
pub trait Proofs: Send + Sync {
    /// `proofs[i]` is for `keys[i]`; `None` when there is none here, or when it would not fit into
    /// `bytes_max` with those before it: no more than that is ever held. Called on a thread that
    /// may block. At most [`KEYS_MAX`] keys.
    fn proofs(&self, keys: &[ContentId], bytes_max: usize) -> Vec<Option<Vec<u8>>>;
}

/// A node without proofs: it stores records and content for others.
#[derive(Clone, Copy, Debug)]
pub struct NoProofs;

impl Proofs for NoProofs {
    fn proofs(&self, keys: &[ContentId], _bytes_max: usize) -> Vec<Option<Vec<u8>>> {
        vec![None; keys.len()]
    }
}

/// Why a peer has shown nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It could not be reached, or does not speak the protocol.
    #[error("the provider can't be asked")]
    Unreachable,
    /// Its answer did not come in time.
    #[error("the provider did not answer in time")]
    Timeout,
    /// Its answer breaks the form.
    #[error("the provider's answer breaks the protocol")]
    Malformed,
    /// More keys than one question takes.
    #[error("{count} keys in one question, at most {KEYS_MAX}")]
    TooManyKeys {
        /// How many.
        count: usize,
    },
}

/// Asks a peer: `proofs[i]` is for `keys[i]`. The peer should be connected.
///
/// # Errors
/// Every [`ProofError`], at the latest after `deadline`.
pub async fn ask(
    control: Control,
    peer: PeerId,
    keys: &[ContentId],
    deadline: Duration,
) -> Result<Vec<Option<Vec<u8>>>, ProofError> {
    if keys.len() > KEYS_MAX {
        return Err(ProofError::TooManyKeys { count: keys.len() });
    }
    let asked = async {
        let opened = control.open_stream(peer, PROTOCOL).await;
        let mut stream = opened.map_err(|_| ProofError::Unreachable)?;
        let sent = async {
            stream.write_all(&question(keys)).await?;
            stream.close().await
        };
        sent.await.map_err(|_| ProofError::Unreachable)?;
        let limit = u64::try_from(ANSWER_BYTES_MAX).expect("it is small") + 1;
        let mut answer = Vec::new();
        let read = stream.take(limit).read_to_end(&mut answer).await;
        read.map_err(|_| ProofError::Unreachable)?;
        read_answer(&answer, keys.len()).ok_or(ProofError::Malformed)
    };
    timeout(deadline, asked).await.unwrap_or(Err(ProofError::Timeout))
}

/// The bytes of a question for these keys, at most [`KEYS_MAX`].
pub fn question(keys: &[ContentId]) -> Vec<u8> {
    let count = u16::try_from(keys.len()).expect("the limit is below 2^16");
    let mut bytes = Vec::with_capacity(2 + 32 * keys.len());
    bytes.extend(count.to_be_bytes());
    keys.iter().for_each(|key| bytes.extend(key.digest()));
    bytes
}

/// Reads a question; `None` for more keys than one takes, and when the stream ends within it.
pub async fn read_question(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<ContentId>> {
    let mut count = [0; 2];
    stream.read_exact(&mut count).await.ok()?;
    let count = usize::from(u16::from_be_bytes(count));
    if count > KEYS_MAX {
        return None;
    }
    let mut bytes = vec![0; 32 * count];
    stream.read_exact(&mut bytes).await.ok()?;
    let (digests, rest) = bytes.as_chunks::<32>();
    assert!(rest.is_empty(), "the length is a multiple of 32");
    Some(digests.iter().map(|digest| ContentId::from_digest(*digest)).collect())
}

/// The bytes of an answer; a proof that does not fit any more is left out.
pub fn answer(proofs: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut count: u16 = 0;
    let mut bytes = vec![0; 2];
    for (index, proof) in (0u16..).zip(proofs) {
        let Some(proof) = proof else { continue };
        if bytes.len() + 6 + proof.len() > ANSWER_BYTES_MAX {
            continue;
        }
        count += 1;
        bytes.extend(index.to_be_bytes());
        bytes.extend(u32::try_from(proof.len()).expect("below the limit").to_be_bytes());
        bytes.extend(proof);
    }
    bytes[..2].copy_from_slice(&count.to_be_bytes());
    bytes
}

/// Reads an answer about `count` keys. Strict: ascending indices below `count`, lengths that fit,
/// nothing behind.
pub fn read_answer(bytes: &[u8], count: usize) -> Option<Vec<Option<Vec<u8>>>> {
    if bytes.len() > ANSWER_BYTES_MAX {
        return None;
    }
    let (entries, mut rest) = bytes.split_first_chunk::<2>()?;
    let mut proofs = vec![None; count];
    let mut first_free = 0;
    for _ in 0..u16::from_be_bytes(*entries) {
        let (index, behind) = rest.split_first_chunk::<2>()?;
        let (length, behind) = behind.split_first_chunk::<4>()?;
        let index = usize::from(u16::from_be_bytes(*index));
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (proof, behind) = behind.split_at_checked(length)?;
        if index < first_free || index >= count {
            return None;
        }
        proofs[index] = Some(proof.to_vec());
        (first_free, rest) = (index + 1, behind);
    }
    rest.is_empty().then_some(proofs)
}

/// Answers all questions until the swarm ends.
pub async fn serve(mut incoming: IncomingStreams, proofs: Arc<dyn Proofs>) {
    // Who is being answered: one entry each, so at most `SERVING_MAX`.
    let serving: Arc<Mutex<Vec<PeerId>>> = Arc::default();
    let mut tasks = JoinSet::new();
    while let Some((peer, stream)) = incoming.next().await {
        while tasks.try_join_next().is_some() {}
        let Some(place) = Place::take(&serving, peer) else {
            tracing::debug!(%peer, "too many questions for proofs; one is refused");
            continue;
        };
        let proofs = proofs.clone();
        tasks.spawn(async move {
            if timeout(SERVE_MAX, serve_one(stream, proofs, place)).await.is_err() {
                tracing::debug!(%peer, "a question for proofs took too long");
            }
        });
    }
}

/// One of the places among those that are answered, until it is dropped.
struct Place {
    serving: Arc<Mutex<Vec<PeerId>>>,
    peer: PeerId,
}

impl Place {
    fn take(serving: &Arc<Mutex<Vec<PeerId>>>, peer: PeerId) -> Option<Self> {
        let mut taken = serving.lock();
        let own = taken.iter().filter(|other| **other == peer).count();
        if taken.len() >= SERVING_MAX || own >= SERVING_PER_PEER_MAX {
            return None;
        }
        taken.push(peer);
        drop(taken);
        Some(Self { serving: serving.clone(), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.serving.lock();
        if let Some(at) = taken.iter().position(|other| *other == self.peer) {
            taken.swap_remove(at);
        }
    }
}

/// The place goes with the work: a deadline ends the waiting and not what a thread is doing.
async fn serve_one(mut stream: Stream, proofs: Arc<dyn Proofs>, place: Place) {
    let Some(keys) = read_question(&mut stream).await else { return };
    let made = tokio::task::spawn_blocking(move || {
        (answer(&proofs.proofs(&keys, ANSWER_BYTES_MAX)), place)
    });
    let Ok((bytes, _place)) = made.await else { return };
    let sent = async {
        stream.write_all(&bytes).await?;
        stream.close().await
    };
    if let Err(error) = sent.await {
        tracing::debug!(%error, "an answer with proofs was not taken");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_there_and_back() {
        let proofs = vec![None, Some(b"one".to_vec()), None, Some(Vec::new())];
        let bytes = answer(&proofs);
        assert_eq!(bytes, b"\0\x02\0\x01\0\0\0\x03one\0\x03\0\0\0\0");
        assert_eq!(read_answer(&bytes, 4), Some(proofs));
        assert_eq!(read_answer(&bytes, 3), None, "an index too high");
        for cut in 0..bytes.len() {
            assert_eq!(read_answer(&bytes[..cut], 4), None);
        }
        assert_eq!(read_answer(&[&bytes[..], b"x"].concat(), 4), None);
        let twice = b"\0\x02\0\x01\0\0\0\0\0\x01\0\0\0\0";
        assert_eq!(read_answer(twice, 4), None);
    }

    #[test]
    fn no_peer_takes_all_places() {
        let (serving, greedy) = (Arc::default(), PeerId::random());
        let own: Vec<_> = (0..9).filter_map(|_| Place::take(&serving, greedy)).collect();
        assert_eq!(own.len(), SERVING_PER_PEER_MAX);
        let others: Vec<_> =
            (0..99).filter_map(|_| Place::take(&serving, PeerId::random())).collect();
        assert_eq!(own.len() + others.len(), SERVING_MAX);
        drop(own);
        assert!(Place::take(&serving, greedy).is_some());
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let large = Some(vec![7; ANSWER_BYTES_MAX]);
        let bytes = answer(&[large, Some(b"small".to_vec())]);
        assert_eq!(read_answer(&bytes, 2), Some(vec![None, Some(b"small".to_vec())]));
        assert_eq!(read_answer(&vec![0; ANSWER_BYTES_MAX + 1], 0), None);
    }
}
