//! Hand-made peers that speak the batched protocol, each in its own way.

#![allow(dead_code, reason = "several test programs use it, each a part")]

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use ipfs_adapter::{
    Answer, Multiaddr, Provider,
    batch::{PROTOCOL, REQUEST_BYTES_MAX, Reply, Request, read_frame},
};
use libp2p::{Stream, StreamProtocol};
use tokio::{sync::watch, time::sleep};

use super::foreign::Foreign;

/// What is written for a request: bytes as they are, lengths included.
pub type Script = dyn Fn(&Request) -> Vec<u8> + Send + Sync;

/// How a peer answers.
#[derive(Clone)]
pub enum Manner {
    /// Knows nobody, stores everything, once the gate is open.
    Gated(watch::Receiver<bool>),
    /// Says this.
    Says(Arc<Script>),
    /// Says this, a byte each few milliseconds.
    Drips(Arc<Script>),
    /// Says this over and over, whether asked or not.
    Floods(Arc<Script>),
}

/// A peer with a manner.
pub struct Scripted {
    pub foreign: Foreign,
    /// Requests that it has read.
    pub heard: Arc<AtomicU64>,
}

/// A frame with its length.
pub fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short frame");
    [length.to_be_bytes().as_slice(), body].concat()
}

/// What a peer without records says.
pub fn honest(request: &Request) -> Vec<u8> {
    let number = request.number();
    let reply = match request {
        Request::Find { .. } => Reply::Found { number, answer: Answer::default() },
        Request::Provide { keys, .. } => Reply::Stored { number, stored: vec![true; keys.len()] },
    };
    framed(&reply.encode())
}

/// A provider that nobody knows.
pub fn nobody() -> Provider {
    Provider { peer: libp2p::PeerId::random(), addresses: Vec::new() }
}

impl Scripted {
    /// Connected to the node there.
    pub async fn beside(node: &Multiaddr, manner: Manner) -> Self {
        let scripted = Self::start(true, manner).await;
        scripted.foreign.dial(node).await;
        scripted
    }

    pub async fn start(with_kad: bool, manner: Manner) -> Self {
        let mut foreign = Foreign::start(with_kad).await;
        let protocol = StreamProtocol::new(PROTOCOL);
        let mut incoming = foreign.control.accept(protocol).expect("nobody else takes it");
        let heard = Arc::new(AtomicU64::new(0));
        let counted = heard.clone();
        foreign.tasks.spawn(async move {
            let mut streams = tokio::task::JoinSet::new();
            while let Some((_, stream)) = incoming.next().await {
                let (manner, heard) = (manner.clone(), counted.clone());
                streams.spawn(async move {
                    // The node may end the stream at any time.
                    drop(speak(stream, manner, &heard).await);
                });
            }
        });
        Self { foreign, heard }
    }
}

async fn speak(stream: Stream, manner: Manner, heard: &AtomicU64) -> std::io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    while let Ok(Some(body)) = read_frame(&mut reader, REQUEST_BYTES_MAX).await {
        heard.fetch_add(1, Ordering::Relaxed);
        let request = Request::decode(&body).expect("the node speaks the protocol");
        match &manner {
            Manner::Gated(gate) => {
                let mut gate = gate.clone();
                // A test that has ended opens it, too.
                drop(pin!(gate.wait_for(|is_open| *is_open)).await);
                writer.write_all(&honest(&request)).await?;
            }
            Manner::Says(script) => writer.write_all(&script(&request)).await?,
            Manner::Drips(script) => {
                for byte in script(&request) {
                    writer.write_all(&[byte]).await?;
                    writer.flush().await?;
                    sleep(Duration::from_millis(5)).await;
                }
            }
            Manner::Floods(script) => loop {
                writer.write_all(&script(&request)).await?;
                writer.flush().await?;
            },
        }
        writer.flush().await?;
    }
    Ok(())
}
