//! What goes over a link: messages, and requests and replies for catching up. All of it as the real
//! wire
//! bytes, so that the codec is in every run.

use consensus::codec;
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
        }
    }

    /// Reads what [`Packet::encode`] wrote.
    ///
    /// # Panics
    /// When the codec refuses what it wrote itself.
    pub fn decode(frames: &[Vec<u8>]) -> Self {
        const OWN: &str = "the codec reads what it wrote";
        match frames {
            [message] => Packet::Message(codec::decode(message).expect(OWN)),
            [_, request] => Packet::Ask(codec::decode(request).expect(OWN)),
            [_, request, reply] => {
                Packet::Tell(codec::decode(request).expect(OWN), codec::decode(reply).expect(OWN))
            }
            _ => panic!("one to three frames"),
        }
    }
}
