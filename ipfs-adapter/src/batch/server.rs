//! The answering side: a request in, a reply out, from the index alone. Pure but for the records;
//! streams, deadlines and the count of requests under way are the caller's, who refuses with
//! [`Why::Busy`] before it decodes.

use libp2p::PeerId;

use super::{Reply, Request, TABLE_MAX, Why};
use crate::{
    ContentId, Provider,
    records::{Records, Stored},
};

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// For the asker.
    pub reply: Reply,
    /// Keys that have a provider now that they had not before: a cached miss of them is old.
    pub new: Vec<ContentId>,
}

/// Answers a request of this peer, up to `keys_max` keys; more are refused as a whole. The peer is
/// the one that the connection has proven: nobody announces for somebody else. `now`: unix seconds.
///
/// Cost: see [`Records`]; own keys among those asked for are looked up in the pin set.
pub fn answer(
    records: &Records,
    now: u64,
    from: PeerId,
    request: &Request,
    keys_max: usize,
) -> Answered {
    let number = request.number();
    if request.keys().len() > keys_max {
        let reply = Reply::Refused { number, why: Why::TooMany };
        return Answered { reply, new: Vec::new() };
    }
    match request {
        Request::Find { providers_max, keys, .. } => {
            let answer = records.find(now, keys, usize::from(*providers_max)).fit(TABLE_MAX);
            Answered { reply: Reply::Found { number, answer }, new: Vec::new() }
        }
        Request::Provide { ttl_seconds, addresses, keys, .. } => {
            let provider = Provider { peer: from, addresses: addresses.clone() };
            let became = records.provide(now, &provider, *ttl_seconds, keys);
            let is_new = |(_, became): &(&ContentId, &Stored)| **became == Stored::New;
            let new = keys.iter().zip(&became).filter(is_new).map(|(key, _)| *key).collect();
            let stored = became.iter().map(|became| became.is_acknowledged()).collect();
            Answered { reply: Reply::Stored { number, stored }, new }
        }
    }
}
