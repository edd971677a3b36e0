//! What goes over a link: messages, and requests and replies for catching up. All of it as the real
//! wire
//! bytes, so that the codec is in every run.

use consensus::codec::{self, FrameError};
use consensus::message::{Message, Reply, Request};

/// One packet.
#[derive(Clone, Debug)]
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
