//! Looking wants up in the block store. Blocks its thread: called on the blocking pool only.

use super::{
    limits::{BATCH_BYTES, INLINE_BYTES},
    message::WantKind,
};
use crate::{BlockError, Blocks, Content, ContentId};

/// One want to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub id: ContentId,
    pub kind: WantKind,
}

/// What the store says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Block(Content),
    /// It is here; only that was asked.
    Held,
    /// It is not here, or its bytes are damaged.
    Absent,
    /// The store failed: not known is not no.
    Failed,
    /// The batch was full before.
    Unread,
}

impl Answer {
    /// What it takes in memory, for the budget.
    pub(super) fn bytes(&self) -> usize {
        if let Answer::Block(content) = self { content.bytes().len() } else { 0 }
    }
}

/// `answers[i]` is for `asked[i]`; blocks stop once [`BATCH_BYTES`] are passed.
pub(super) fn read_batch(blocks: &dyn Blocks, asked: &[Asked]) -> Vec<Answer> {
    let mut bytes = 0;
    asked
        .iter()
        .map(|want| {
            if bytes >= BATCH_BYTES {
                return Answer::Unread;
            }
            let answer = read(blocks, *want);
            bytes += answer.bytes();
            answer
        })
        .collect()
}

fn read(blocks: &dyn Blocks, want: Asked) -> Answer {
    if want.kind == WantKind::Have {
        match blocks.size(want.id) {
            Ok(Some(size)) if size > INLINE_BYTES => return Answer::Held,
            Ok(Some(_)) => {}
            Ok(None) => return Answer::Absent,
            Err(_) => return Answer::Failed,
        }
    }
    match blocks.get(want.id) {
        Ok(Some(content)) => Answer::Block(content),
        Ok(None) | Err(BlockError::Corrupt { .. }) => Answer::Absent,
        Err(_) => Answer::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;

    #[test]
    fn wants_are_answered_by_what_is_here() {
        let store = Memory::new(1 << 20);
        let small = Content::of(b"small".to_vec()).expect("small");
        let large = Content::of(vec![1; 1_025]).expect("small");
        store.put(&small).expect("room");
        store.put(&large).expect("room");
        let absent = ContentId::of(b"absent");
        let check = |id, kind, answer| {
            assert_eq!(read_batch(&store, &[Asked { id, kind }]), [answer]);
        };
        check(small.id(), WantKind::Block, Answer::Block(small.clone()));
        check(small.id(), WantKind::Have, Answer::Block(small.clone()));
        check(large.id(), WantKind::Have, Answer::Held);
        check(large.id(), WantKind::Block, Answer::Block(large.clone()));
        check(absent, WantKind::Block, Answer::Absent);
        check(absent, WantKind::Have, Answer::Absent);
    }

    #[test]
    fn a_batch_stops_at_its_bytes() {
        let store = Memory::new(4 << 20);
        let asked: Vec<Asked> = (0..4)
            .map(|byte| {
                let content = Content::of(vec![byte; BATCH_BYTES / 2]).expect("small");
                store.put(&content).expect("room");
                Asked { id: content.id(), kind: WantKind::Block }
            })
            .collect();
        let answers = read_batch(&store, &asked);
        assert!(matches!(answers[..2], [Answer::Block(_), Answer::Block(_)]));
        assert_eq!(answers[2..], [Answer::Unread, Answer::Unread]);
    }
}
