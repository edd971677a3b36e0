//! What `trait Ipfs` promises, as assertions. Nothing here knows which node it talks to.
//!
//! All content carries a number of this run, so that a node that has seen the suite before will do.

use std::time::{Duration, Instant};

use ipfs_adapter::{
    BLOCK_BYTES_MAX, BlockStat, Codec, Completion, Content, ContentError, ContentId, FindOptions,
    FindOutcome, Ipfs, IpfsError, KEYS_PER_QUERY_MAX,
};

/// For what takes a DHT a while; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// For searches that are to fail.
const BRIEF: Duration = Duration::from_secs(2);
/// What a slow machine may add to a deadline.
const SLACK: Duration = Duration::from_secs(2);

const FIND: FindOptions = FindOptions {
    deadline: PATIENCE,
    completion: Completion::Quorum,
    providers_max: 20,
    use_cache: false,
};

/// Everything that a node must do. `other` is a second node, connected to the first: with it,
/// content and provider records are seen from outside.
pub async fn check_ipfs(node: &dyn Ipfs, other: Option<&dyn Ipfs>) {
    let run = Run { number: rand::random() };
    a_node_says_who_it_is(node).await;
    run.blocks_come_back_as_they_were(node).await;
    run.what_is_nowhere_is_none_within_the_deadline(node).await;
    run.what_is_not_held_is_not_pinned(node).await;
    run.pins_are_answered_in_order(node).await;
    what_is_over_a_limit_is_refused(node).await;
    run.a_key_that_nobody_provides_has_no_providers(node, other.is_some()).await;
    if let Some(other) = other {
        they_see_each_other(node, other).await;
        run.what_one_provides_the_other_finds_and_gets(node, other).await;
        run.what_one_provides_the_other_finds_and_gets(other, node).await;
    }
}

struct Run {
    number: u64,
}

impl Run {
    fn content(&self, what: &str) -> Content {
        Content::of(format!("{what} of run {}", self.number)).expect("short content")
    }

    fn contents<const N: usize>(&self, what: [&str; N]) -> [Content; N] {
        what.map(|what| self.content(what))
    }

    /// A node without links whose data are this run's.
    fn node(&self) -> Content {
        let bytes = [b"\x0a\x08".as_slice(), &self.number.to_be_bytes()].concat();
        Content::of_codec(Codec::DagPb, bytes).expect("short content")
    }

    /// Of the size that a block has at most.
    fn largest(&self) -> Content {
        let mut bytes = vec![7; BLOCK_BYTES_MAX];
        bytes[..8].copy_from_slice(&self.number.to_be_bytes());
        Content::of(bytes).expect("not more than the most")
    }

    async fn blocks_come_back_as_they_were(&self, node: &dyn Ipfs) {
        for content in [self.content("round trip"), self.node(), self.largest()] {
            let id = content.id();
            let bytes = u64::try_from(content.bytes().len()).expect("a block is small");
            assert_eq!(node.get_local(id).await, Ok(None), "{id}");
            assert_eq!(node.stat(id).await, Ok(None), "{id}");
            for _ in 0..2 {
                assert_eq!(node.put(content.clone()).await, Ok(()), "{id}");
                assert_eq!(node.get_local(id).await, Ok(Some(content.clone())), "{id}");
                assert_eq!(node.get(id, PATIENCE).await, Ok(Some(content.clone())), "{id}");
                assert_eq!(node.stat(id).await, Ok(Some(BlockStat { bytes })), "{id}");
            }
        }
    }

    async fn what_is_nowhere_is_none_within_the_deadline(&self, node: &dyn Ipfs) {
        let id = self.content("nowhere").id();
        assert_eq!(node.get_local(id).await, Ok(None));
        assert_eq!(node.stat(id).await, Ok(None));
        let begin = Instant::now();
        assert_eq!(node.get(id, BRIEF).await, Ok(None));
        assert!(begin.elapsed() < BRIEF + SLACK, "{:?}", begin.elapsed());
    }

    async fn what_is_not_held_is_not_pinned(&self, node: &dyn Ipfs) {
        let held = self.content("held");
        let [first, second] = self.contents(["absent 1", "absent 2"]).map(|content| content.id());
        assert_eq!(node.put(held.clone()).await, Ok(()));
        let ids = vec![held.id(), first, second];
        assert_eq!(node.pin(ids.clone()).await, Err(IpfsError::NotHeld { id: first }));
        assert_eq!(node.are_pinned(ids).await, Ok(vec![false; 3]));
    }

    async fn pins_are_answered_in_order(&self, node: &dyn Ipfs) {
        let [a, b, c] = self.contents(["a", "b", "c"]);
        let links = self.node();
        for content in [&a, &b, &c, &links] {
            assert_eq!(node.put(content.clone()).await, Ok(()));
        }
        let [a, b, c, links] = [a, b, c, links].map(|content| content.id());
        let ids = vec![a, b, c, links, a];
        assert_eq!(node.pin(vec![]).await, Ok(()));
        assert_eq!(node.unpin(vec![]).await, Ok(()));
        assert_eq!(node.are_pinned(vec![]).await, Ok(vec![]));
        for _ in 0..2 {
            assert_eq!(node.pin(vec![c, a, links, c]).await, Ok(()));
            let wanted = vec![true, false, true, true, true];
            assert_eq!(node.are_pinned(ids.clone()).await, Ok(wanted));
        }
        // So many that they are asked in another way.
        let many: Vec<ContentId> = (0..50).flat_map(|_| [a, b]).collect();
        assert_eq!(node.are_pinned(many).await, Ok([true, false].repeat(50)));
        for _ in 0..2 {
            assert_eq!(node.unpin(vec![b, a, links]).await, Ok(()));
            let wanted = vec![false, false, true, false, false];
            assert_eq!(node.are_pinned(ids.clone()).await, Ok(wanted));
        }
        assert_eq!(node.unpin(vec![c]).await, Ok(()));
        assert_eq!(node.are_pinned(ids).await, Ok(vec![false; 5]));
    }

    /// Alone, a node can't know; with somebody to ask, it can.
    async fn a_key_that_nobody_provides_has_no_providers(
        &self,
        node: &dyn Ipfs,
        is_connected: bool,
    ) {
        let keys: Vec<ContentId> =
            (0..40).map(|i| self.content(&format!("unprovided {i}")).id()).collect();
        let outcome = found(node, keys).await;
        assert_eq!(outcome.answers.len(), 40);
        for answer in &outcome.answers {
            assert_eq!(answer.providers, []);
            assert_eq!(answer.is_complete, is_connected, "{answer:?}");
        }
        let outcome = found(node, vec![]).await;
        assert_eq!(outcome.answers, []);
    }

    async fn what_one_provides_the_other_finds_and_gets(&self, node: &dyn Ipfs, from: &dyn Ipfs) {
        let provider = node.info().await.expect("the node is there").peer;
        let content = self.content(&format!("what {provider} provides"));
        let (id, unknown) = (content.id(), self.content("unprovided").id());
        assert_eq!(node.put(content.clone()).await, Ok(()));
        let provided = node.provide(vec![id]).await.expect("the node is there");
        assert_eq!((provided.stored, provided.failed), (1, 0));
        // The records may still be under way: each query is over at its own pace.
        let begin = Instant::now();
        loop {
            let outcome = found(from, vec![unknown, id]).await;
            assert_eq!(outcome.answers[0].providers, []);
            if outcome.answers[1].providers.iter().any(|found| found.peer == provider) {
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "not found: {outcome:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(from.get(id, PATIENCE).await, Ok(Some(content)));
    }
}

async fn a_node_says_who_it_is(node: &dyn Ipfs) {
    let info = node.info().await.expect("the node is there");
    assert!(!info.agent.is_empty());
    assert!(!info.addresses.is_empty());
    let own = format!("/p2p/{}", info.peer);
    assert!(info.addresses.iter().all(|address| !address.to_string().ends_with(&own)));
    assert_eq!(node.info().await.map(|again| again.peer), Ok(info.peer));
}

async fn they_see_each_other(node: &dyn Ipfs, other: &dyn Ipfs) {
    for (one, another) in [(node, other), (other, node)] {
        let peer = another.info().await.expect("the node is there").peer;
        let peers = one.peers().await.expect("the node is there");
        assert!(peers.contains(&peer), "{peer} is not among {peers:?}");
    }
}

async fn what_is_over_a_limit_is_refused(node: &dyn Ipfs) {
    let bytes = BLOCK_BYTES_MAX + 1;
    let too_large = Err(ContentError::TooLarge { bytes });
    assert_eq!(Content::of(vec![0; bytes]), too_large, "so no node is ever given one");
    let count = KEYS_PER_QUERY_MAX + 1;
    let keys = vec![ContentId::of(b"key"); count];
    assert_eq!(node.find(keys, FIND).err(), Some(IpfsError::TooManyKeys { count }));
}

/// Runs a query; what it streams must agree with what it ends with.
async fn found(node: &dyn Ipfs, keys: Vec<ContentId>) -> FindOutcome {
    let count = keys.len();
    let mut query = node.find(keys, FIND).expect("a query is taken");
    let id = query.id();
    let mut streamed = vec![0; count];
    while let Some(found) = query.next().await {
        streamed[found.index] += 1;
    }
    let outcome = query.outcome().await.expect("the node is alive");
    assert_eq!((outcome.id, outcome.answers.len()), (id, count));
    if !outcome.is_lagged {
        let ended: Vec<usize> =
            outcome.answers.iter().map(|answer| answer.providers.len()).collect();
        assert_eq!(streamed, ended);
    }
    outcome
}
