//! What goes over a link: messages, and requests and replies for catching up. All of it as the real
//! wire
//! bytes, so that the codec is in every run.

use consensus::codec::{self, FrameError};
use consensus::message::{Message, Reply, Request};
use std::cell::OnceCell;
use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// A message of the ordered stream.
    Message(Message),
    /// A question.
    Ask(Request),
    /// Its answer, with the question: the real ones share a stream.
    Tell(Request, Reply),
    /// Bytes of a Byzantine member, whatever they are.
    Bytes(Vec<Vec<u8>>),
}

impl Packet {
    /// Its wire bytes, one frame for each part.
    pub fn encode(&self) -> Vec<Vec<u8>> {
        match self {
            Packet::Message(message) => vec![codec::encode(message)],
            Packet::Ask(request) => vec![Vec::new(), codec::encode(request)],
            Packet::Tell(request, reply) => {
                vec![Vec::new(), codec::encode(request), codec::encode(reply)]
            }
            Packet::Bytes(frames) => frames.clone(),
        }
    }

    /// Reads what arrives.
    ///
    /// # Errors
    /// Why a frame is refused: its sender is blamed for it.
    ///
    /// # Panics
    /// When there are no frames, or more than three.
    pub fn decode(frames: &[Vec<u8>]) -> Result<Self, FrameError> {
        Ok(match frames {
            [message] => Packet::Message(codec::decode(message)?),
            [_, request] => Packet::Ask(codec::decode(request)?),
            [_, request, reply] => Packet::Tell(codec::decode(request)?, codec::decode(reply)?),
            _ => panic!("one to three frames"),
        })
    }
}

/// A packet on its way: encoded once for all who get it, and decoded once, as all of them read the
/// same bytes.
#[derive(Debug)]
pub struct Parcel {
    frames: Vec<Vec<u8>>,
    /// What tells these bytes from others in the trace.
    pub mark: u64,
    decoded: OnceCell<Result<Packet, FrameError>>,
}

impl Parcel {
    /// What arrives, or why it is refused.
    ///
    /// # Errors
    /// As [`Packet::decode`].
    pub fn open(&self) -> Result<Packet, FrameError> {
        self.decoded.get_or_init(|| Packet::decode(&self.frames)).clone()
    }
}

/// Packs packets; one that goes to many in a row is packed once.
#[derive(Debug, Default)]
pub struct Packer {
    last: Option<(Packet, Rc<Parcel>)>,
}

impl Packer {
    /// The parcel of a packet.
    pub fn pack(&mut self, packet: &Packet) -> Rc<Parcel> {
        if let Some((last, parcel)) = &self.last
            && last == packet
        {
            return parcel.clone();
        }
        let frames = packet.encode();
        let mut hasher = DefaultHasher::new();
        frames.iter().for_each(|frame| hasher.write(frame));
        let (mark, decoded) = (hasher.finish(), OnceCell::new());
        let parcel = Rc::new(Parcel { frames, mark, decoded });
        self.last = Some((packet.clone(), parcel.clone()));
        parcel
    }
}
