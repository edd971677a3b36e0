//! What is known of the providers of several keys: each provider once, and for each key that has
//! some, which. It is what the index answers and what goes over the wire.

use std::collections::HashMap;

use crate::Provider;

/// The providers of some keys. Keys without any are not mentioned and cost nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Distinct providers.
    pub providers: Vec<Provider>,
    /// In the order of the keys, each key at most once.
    pub hits: Vec<Hit>,
}

/// One key that has providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Index into the keys that were asked for.
    pub key: usize,
    /// Distinct indices into [`Answer::providers`], first come first. None at all: there are some,
    /// but the table of providers was full ([`Answer::fit`]).
    pub providers: Vec<usize>,
}

impl Answer {
    /// For each of `count` keys its providers; `None` when there are some that were left out, so
    /// that this key is to be asked for again among fewer: not known is not no.
    pub fn by_key(&self, count: usize) -> Vec<Option<Vec<Provider>>> {
        let mut found = vec![Some(Vec::new()); count];
        for hit in &self.hits {
            let providers =
                hit.providers.iter().filter_map(|index| self.providers.get(*index).cloned());
            if let Some(found) = found.get_mut(hit.key) {
                *found =
                    Some(providers.collect()).filter(|providers: &Vec<_>| !providers.is_empty());
            }
        }
        found
    }

    /// The answer with at most `providers_max` distinct providers: first come those that are first
    /// of a key, then the second ones, and so on, so that few keys are left without any.
    pub fn fit(self, providers_max: usize) -> Answer {
        if self.providers.len() <= providers_max {
            return self;
        }
        let mut kept: HashMap<usize, usize> = HashMap::new();
        let ranks = self.hits.iter().map(|hit| hit.providers.len()).max().unwrap_or(0);
        for rank in 0..ranks {
            for index in self.hits.iter().filter_map(|hit| hit.providers.get(rank)) {
                if kept.len() < providers_max {
                    let next = kept.len();
                    kept.entry(*index).or_insert(next);
                }
            }
        }
        let mut order: Vec<(usize, usize)> = kept.iter().map(|(old, new)| (*new, *old)).collect();
        order.sort_unstable();
        let providers = order.iter().filter_map(|(_, old)| self.providers.get(*old).cloned());
        let hits = self.hits.iter().map(|hit| Hit {
            key: hit.key,
            providers: hit.providers.iter().filter_map(|old| kept.get(old).copied()).collect(),
        });
        Answer { providers: providers.collect(), hits: hits.collect() }
    }
}
