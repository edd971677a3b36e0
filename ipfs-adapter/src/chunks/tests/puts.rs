//! Puts: the same blocks as the sequential builder, and errors that say why.

use super::*;
use std::io::Read;

/// Random bytes that are read in pieces of any size, with an error at the end if wanted.
struct Stuttering {
    rest: io::Cursor<Vec<u8>>,
    end: Option<io::ErrorKind>,
}

impl Read for Stuttering {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(10_007);
        match (self.rest.read(&mut buffer[..count])?, self.end) {
            (0, Some(kind)) => Err(kind.into()),
            (count, _) => Ok(count),
        }
    }
}

#[tokio::test]
async fn put_gives_the_same_blocks_as_the_sequential_builder() {
    for length in [0, 1, 262_144, 262_145, 3_000_000] {
        let bytes = file(length / CHUNK + 1)[..length].to_vec();
        let (expected, root) = Simulated::new(&[]).with_file(&bytes, Layout::KUBO);
        for config in [config(), sequential()] {
            let local = local();
            let (progress, watcher) = Progress::channel();
            let reader = Stuttering { rest: io::Cursor::new(bytes.clone()), end: None };
            let report = put(local.clone(), reader, &config, &progress).await.expect("stored");
            let total = u64::try_from(length).expect("small");
            assert_eq!((report.root, report.bytes), (root, total));
            assert_eq!(local.ids(), expected.held.ids());
            assert_eq!(report.blocks, local.usage().count);
            assert!(stat(&*local, root).expect("sound").is_complete);
            let end = Progress {
                chunks_done: report.blocks,
                chunks_known: report.blocks,
                bytes_done: total,
                bytes_total: Some(total),
            };
            assert_eq!(*watcher.borrow(), end);
            assert!(bytes_of(&local, root) == bytes);
        }
    }
}

#[tokio::test]
async fn a_put_that_cannot_go_on_says_why() {
    let bytes = file(3_000_000 / CHUNK);
    let (progress, _watcher) = Progress::channel();
    let kind = io::ErrorKind::PermissionDenied;
    let reader = Stuttering { rest: io::Cursor::new(bytes.clone()), end: Some(kind) };
    let refusal = put(local(), reader, &config(), &progress).await;
    assert_eq!(refusal, Err(PutError::Read(kind)));
    let small = Arc::new(Memory::new(1_000_000));
    let refusal = put(small.clone(), io::Cursor::new(bytes), &config(), &progress).await;
    assert!(matches!(refusal, Err(PutError::Store(BlockError::Full { .. }))));
    assert_eq!(small.usage().count, 3);
}
