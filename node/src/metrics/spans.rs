//! What came of the spans of traces; in a build with the feature `otel`.

use super::Labels;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// The counters. Cloning shares them.
#[derive(Clone, Default)]
pub struct SpanCounters(Family<Labels, Counter>);

impl SpanCounters {
    /// For the registry.
    pub(super) fn family(&self) -> Family<Labels, Counter> {
        self.0.clone()
    }

    /// The collector has taken them.
    pub fn exported(&self, count: usize) {
        self.count("exported", count);
    }

    /// The collector has refused them, or did not answer.
    pub fn failed(&self, count: usize) {
        self.count("failed", count);
    }

    /// There was no room for them, or for what they would have been made of.
    pub fn dropped(&self, count: usize) {
        self.count("dropped", count);
    }

    /// How many came to this.
    pub fn of(&self, result: &'static str) -> u64 {
        self.0.get_or_create(&[("result", result)]).get()
    }

    fn count(&self, result: &'static str, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.0.get_or_create(&[("result", result)]).inc_by(count);
    }
}
