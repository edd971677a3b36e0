//! What `top` asks at every look: each node for itself and its timings, one of them for the
//! committee, the network and the latest batches. Nothing is put together here.

use super::finality::Buckets;
use crate::cli::context::{Context, NodeAddress};
use crate::cli::network::{ASK_TIME_MAX, network_nodes};
use crate::client::Client;
use crate::error::Failure;
use crate::view::{BatchRow, NetworkDocument, NodeDocument, ValidatorsDocument};
use std::sync::{Arc, OnceLock};
use tokio::task::JoinSet;

/// Batches that a look brings at most.
pub(super) const BATCHES_MAX: usize = 32;

/// What one look has brought.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// The nodes that were asked, in a fixed order.
    pub(super) nodes: Vec<Asked>,
    /// The network, when a node has told it once.
    pub(super) network: Option<NetworkDocument>,
    /// The committee as one node sees it.
    pub(super) seen: Option<ValidatorsDocument>,
    /// The newest lines of one node's applied log, oldest first.
    pub(super) batches: Vec<BatchRow>,
}

/// A node that was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// What it goes by.
    pub(super) address: NodeAddress,
    /// What it says of itself; `None` when it does not answer.
    pub(super) node: Option<NodeDocument>,
    /// How long its transfers took, since its start.
    pub(super) finality: Option<Buckets>,
}

/// The nodes and their connections.
pub(super) struct Lookout {
    nodes: Vec<(NodeAddress, Arc<Client>)>,
    network: OnceLock<NetworkDocument>,
}

impl Lookout {
    /// Of the nodes that `status` asks.
    ///
    /// # Errors
    /// As [`Context::nodes`]; `usage` for a bad URL.
    pub(super) fn new(context: &Context) -> Result<Self, Failure> {
        let timeout = context.settings.timeout.min(ASK_TIME_MAX);
        let client = |address: NodeAddress| {
            let client = Client::new([&address.url], timeout)?;
            Ok((address, Arc::new(client)))
        };
        let nodes = network_nodes(context)?.into_iter().map(client);
        Ok(Self { nodes: nodes.collect::<Result<_, Failure>>()?, network: OnceLock::new() })
    }

    /// Asks all at the same time, then the first that is ready, or that answers.
    pub(super) async fn look(&self) -> Look {
        let mut tasks = JoinSet::new();
        for (index, (_, client)) in self.nodes.iter().enumerate() {
            let client = client.clone();
            tasks.spawn(async move {
                let node = client.node().await.ok();
                let metrics = match &node {
                    Some(_) => client.metrics().await.ok(),
                    None => None,
                };
                (index, node, metrics.map(|text| Buckets::read(&text)))
            });
        }
        let asked = |(address, _): &(NodeAddress, Arc<Client>)| Asked {
            address: address.clone(),
            node: None,
            finality: None,
        };
        let mut look = Look { nodes: self.nodes.iter().map(asked).collect(), ..Look::default() };
        while let Some(answer) = tasks.join_next().await {
            let (index, node, finality) =
                answer.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            look.nodes[index].node = node;
            look.nodes[index].finality = finality;
        }
        self.look_through_one(&mut look).await;
        look
    }

    async fn look_through_one(&self, look: &mut Look) {
        let found = look.nodes.iter().map(|asked| asked.node.as_ref());
        let found: Vec<Option<&NodeDocument>> = found.collect();
        let ready = found.iter().position(|node| node.is_some_and(|node| node.ready));
        let Some(index) = ready.or_else(|| found.iter().position(Option::is_some)) else {
            look.network = self.network.get().cloned();
            return;
        };
        let lines = found[index].map_or(0, |node| node.batches);
        let client = &self.nodes[index].1;
        if self.network.get().is_none()
            && let Ok(network) = client.network().await
        {
            self.network.get_or_init(|| network);
        }
        look.network = self.network.get().cloned();
        look.seen = client.validators().await.ok();
        let first = lines.saturating_sub(u64::try_from(BATCHES_MAX).unwrap_or(u64::MAX));
        if let Ok(page) = client.batches(first.checked_sub(1)).await {
            look.batches = page.batches;
            let surplus = look.batches.len().saturating_sub(BATCHES_MAX);
            look.batches.drain(..surplus);
        }
    }
}
