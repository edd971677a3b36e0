//! How far behind a node is; part of `quorate.node/1`.

use crate::sync::lag::Lag;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A node on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatchingUp {
    /// Transfers that it has applied.
    pub applied: u64,
    /// Transfers that others have applied, as far as they said and one of them is honest.
    pub target: u64,
    /// The difference.
    pub behind: u64,
    /// Transfers a second, of late.
    pub rate_per_s: u64,
    /// Seconds that it takes at that rate; `None` when it stands still.
    pub eta_s: Option<u64>,
}

impl From<Lag> for CatchingUp {
    fn from(lag: Lag) -> Self {
        let Lag { applied, target, rate_per_s } = lag;
        let behind = target.saturating_sub(applied);
        let eta_s = (rate_per_s > 0).then(|| behind.div_ceil(rate_per_s.max(1)));
        Self { applied, target, behind, rate_per_s, eta_s }
    }
}
