//! IPFS nodes that nobody here wrote meet ours, over TCP on this machine: they find what we have
//! announced and fetch it, and we find and fetch what they have.
//!
//! ```text
//!   theirs ──dials──▶ meeting ◀──bootstrap── holder      "who has X?" - "holder, over there"
//!      └───────────────dials, by the record──────┘
//! ```
//!
//! The foreign software is not in this repository: `.ci/interop FOLDER` installs it and runs this.
//! Without it each test says on stderr that it was skipped.

#[path = "interop/foreign.rs"]
mod foreign;
#[path = "interop/ours.rs"]
mod ours;

use std::{path::Path, slice::from_ref};

use foreign::{Foreign, installed};
use ipfs_adapter::{ContentId, PeerId, dag::Layout};
use ours::{Ours, until};

/// A file of several chunks of any cut: 13 at 256 KiB, 4 at 1 MiB, the last one short.
const FILE_BYTES: usize = 3 * (1 << 20) + 12_345;
/// How Helia cuts files unless told otherwise (@helia/unixfs 8, src/commands/add.ts).
const HELIA_LAYOUT: Layout = Layout::new(1 << 20, 1_024);

/// The foreign peer looks until it sees the record; a Kademlia announcement has no reply that
/// could be waited for.
async fn sees(theirs: &mut Foreign, key: &ContentId, provider: &PeerId) {
    let mut addresses = Vec::new();
    until("the foreign peer finds our record", async || {
        let seen = theirs.find(key, provider).await;
        let found = seen.into_iter().find(|one| one.peer == *provider);
        found.map(|one| addresses = one.addresses).is_some()
    })
    .await;
    assert!(!addresses.is_empty(), "a record without addresses is of no use");
}

/// The foreign peer knows `meeting` only; the record leads it to the holder.
async fn theirs_fetches_from_ours(theirs: &mut Foreign, folder: &Path) -> (Ours, Ours) {
    let meeting = Ours::server(folder, "meeting", &[]).await;
    let holder = Ours::server(folder, "holder", &[meeting.address()]).await;
    let bytes = ours::noise(1, 1_000);
    let key = holder.hold_block(&bytes).await;
    theirs.dial(&meeting.address()).await;
    sees(theirs, &key, &holder.peer()).await;
    assert_eq!(theirs.get(&key, &holder.peer()).await, bytes);
    (meeting, holder)
}

#[tokio::test]
async fn helia_finds_and_fetches_what_we_hold() {
    let Some(installed) = installed("QUORATE_HELIA") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut helia = Foreign::helia(&installed, folder.path(), "helia").await;
    let (meeting, holder) = theirs_fetches_from_ours(&mut helia, folder.path()).await;
    assert!(helia.peers().await.contains(&holder.peer()), "it dialled the record's address");

    let bytes = ours::noise(2, FILE_BYTES);
    let root = holder.hold_file(&bytes, Layout::KUBO).await;
    sees(&mut helia, &root, &holder.peer()).await;
    assert!(helia.cat(&root).await == bytes, "the file is byte-identical");
    holder.stop().await;
    meeting.stop().await;
}

#[tokio::test]
async fn we_find_and_fetch_what_helia_holds() {
    let Some(installed) = installed("QUORATE_HELIA") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut meeting = Foreign::helia(&installed, folder.path(), "meeting").await;
    let mut holder = Foreign::helia_client(&installed, folder.path(), "holder").await;
    holder.dial(&meeting.address).await;
    // A client keeps no records for others, so it must ask; and it knows `meeting` only.
    let ours = Ours::client(folder.path(), "ours", from_ref(&meeting.address)).await;

    let bytes = ours::noise(3, 1_000);
    let key = holder.put_block(&bytes).await;
    assert_eq!(key, ContentId::of(&bytes));
    holder.provide(&key).await;
    ours.finds(&key, &holder.peer).await;
    assert_eq!(ours.fetch_block(key).await, bytes);

    let bytes = ours::noise(4, FILE_BYTES);
    let root = holder.put_file(&bytes).await;
    assert_eq!(root, ours::root_of(&bytes, HELIA_LAYOUT), "a file has one id, whoever cuts it");
    holder.provide(&root).await;
    ours.finds(&root, &holder.peer).await;
    assert!(ours.fetch_file(root).await == bytes, "the file is byte-identical");
    assert!(meeting.peers().await.contains(&ours.peer()));
    ours.stop().await;
}

/// Our announcement over plain Kademlia is kept by a foreign server and given to a third peer.
#[tokio::test]
async fn helia_keeps_our_announcement_for_others() {
    let Some(installed) = installed("QUORATE_HELIA") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let meeting = Foreign::helia(&installed, folder.path(), "meeting").await;
    let mut other = Foreign::helia(&installed, folder.path(), "other").await;
    other.dial(&meeting.address).await;
    let ours = Ours::client(folder.path(), "ours", from_ref(&meeting.address)).await;
    let bytes = ours::noise(5, 1_000);
    let key = ours.hold_block(&bytes).await;
    sees(&mut other, &key, &ours.peer()).await;
    assert_eq!(other.get(&key, &ours.peer()).await, bytes);
    ours.stop().await;
}

#[tokio::test]
async fn py_libp2p_finds_and_fetches_what_we_hold() {
    let Some(installed) = installed("QUORATE_PYLIBP2P") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut python = Foreign::py_libp2p(&installed, folder.path(), "python").await;
    let (meeting, holder) = theirs_fetches_from_ours(&mut python, folder.path()).await;
    holder.stop().await;
    meeting.stop().await;
}

#[tokio::test]
async fn we_find_and_fetch_what_py_libp2p_holds() {
    let Some(installed) = installed("QUORATE_PYLIBP2P") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let meeting = Foreign::py_libp2p(&installed, folder.path(), "meeting").await;
    let mut holder = Foreign::py_libp2p(&installed, folder.path(), "holder").await;
    holder.dial(&meeting.address).await;
    let ours = Ours::client(folder.path(), "ours", from_ref(&meeting.address)).await;
    let bytes = ours::noise(6, 1_000);
    let key = holder.put_block(&bytes).await;
    assert_eq!(key, ContentId::of(&bytes));
    holder.provide(&key).await;
    ours.finds(&key, &holder.peer).await;
    assert_eq!(ours.fetch_block(key).await, bytes);
    ours.stop().await;
}
