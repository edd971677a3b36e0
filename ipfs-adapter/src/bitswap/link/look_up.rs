//! A batch of a peer's wants on its way through the block store.

use std::sync::Arc;

use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking};

use crate::bitswap::{
    Shared,
    answer::{Answer, Asked, read_batch},
    limits::BATCH_BYTES_MAX,
};

/// What was found, and the room that it takes.
pub(super) struct LookedUp {
    /// In the order of the wants.
    pub answers: Vec<(Asked, Answer)>,
    /// Given back when the message is out.
    pub room: OwnedSemaphorePermit,
}

/// Waits for room, then for a turn at the store.
pub(super) async fn look_up(shared: Arc<Shared>, asked: Vec<Asked>) -> LookedUp {
    const OPEN: &str = "nobody closes this semaphore";
    let bytes_max = u32::try_from(BATCH_BYTES_MAX).expect("under 2 MiB, see limits");
    let mut room = Arc::clone(&shared.outbound).acquire_many_owned(bytes_max).await.expect(OPEN);
    let turn = Arc::clone(&shared.reads).acquire_owned().await.expect(OPEN);
    let (blocks, wants) = (Arc::clone(&shared.blocks), asked.clone());
    let read = spawn_blocking(move || {
        let answers = read_batch(&*blocks, &wants);
        drop(turn);
        answers
    });
    let answers: Vec<(Asked, Answer)> = match read.await {
        Ok(answers) => asked.into_iter().zip(answers).collect(),
        Err(error) => {
            tracing::error!(%error, "the block store has failed");
            asked.into_iter().map(|want| (want, Answer::Failed)).collect()
        }
    };
    let used: usize = answers.iter().map(|(_, answer)| answer.bytes()).sum();
    drop(room.split(BATCH_BYTES_MAX.saturating_sub(used)));
    LookedUp { answers, room }
}
