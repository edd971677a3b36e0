//! Three ways to run queries, by name in the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Completion, FindOptions};

/// Messages to one peer that are under way at once, at most; whatever else is asked of it waits
/// and goes out together.
pub const REQUESTS_PER_PEER_MAX: usize = 4;
/// Plain Kademlia look-ups at once, at most: rust-libp2p walks all running queries at each event,
/// and above 16 to 32 they only get slower (measured: p50 38 ms at 16, 564 ms at 256).
pub const LOOKUPS_MAX: usize = 32;

/// What queries are tuned for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Neither extreme.
    #[default]
    Balanced,
    /// A person waits: few providers, many peers at once, short deadline.
    Interactive,
    /// Many keys: no more peers than the quorum needs.
    HighThroughput,
}

impl Preset {
    /// How a query is run that does not say otherwise.
    pub fn options(self) -> FindOptions {
        let (deadline_s, providers_max) = match self {
            Preset::Balanced => (10, 20),
            Preset::Interactive => (2, 4),
            Preset::HighThroughput => (5, 20),
        };
        FindOptions {
            deadline: Duration::from_secs(deadline_s),
            completion: Completion::Quorum,
            providers_max,
            use_cache: true,
        }
    }

    /// Replicas of a key that are asked at first; more where the quorum needs more.
    pub fn fan_out(self) -> usize {
        match self {
            Preset::Balanced => 3,
            Preset::Interactive => 5,
            Preset::HighThroughput => 1,
        }
    }

    /// Messages to one peer at once. Fewer leave shorter queues at the peer, more keep a long line
    /// busy.
    pub fn requests_per_peer(self) -> usize {
        match self {
            Preset::Interactive => 2,
            Preset::Balanced | Preset::HighThroughput => REQUESTS_PER_PEER_MAX,
        }
    }

    /// Plain Kademlia look-ups at once.
    pub fn lookups(self) -> usize {
        match self {
            Preset::Interactive => LOOKUPS_MAX / 2,
            Preset::Balanced | Preset::HighThroughput => LOOKUPS_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Preset; 3] = [Preset::Balanced, Preset::Interactive, Preset::HighThroughput];

    #[test]
    fn names_are_those_of_the_configuration() {
        let names = serde_json::to_string(&ALL).expect("unit variants have names");
        assert_eq!(names, r#"["balanced","interactive","high-throughput"]"#);
        let back: Vec<Preset> = serde_json::from_str(&names).expect("they are read again");
        assert_eq!(back, ALL);
    }

    #[test]
    fn presets_keep_the_limits() {
        for preset in ALL {
            assert!((1..=REQUESTS_PER_PEER_MAX).contains(&preset.requests_per_peer()));
            assert!((1..=LOOKUPS_MAX).contains(&preset.lookups()));
            assert!((1..=20).contains(&preset.options().providers_max));
        }
        assert!(Preset::Interactive.options().deadline < Preset::Balanced.options().deadline);
    }
}
