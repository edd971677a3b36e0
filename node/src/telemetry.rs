//! OpenTelemetry traces, in a build with the feature `otel`: a span a request of the API, and a
//! span a batch that this node proposed or voted in, with children for its stages. Without the
//! feature all of this is empty, and a configuration that wants traces is refused.
//!
//! | file | what |
//! |---|---|
//! | `telemetry/off.rs` | the same calls, doing nothing |
//! | `telemetry/on.rs` | hands what is told to the thread "otel", and never waits for it |
//! | `telemetry/told.rs` | what is told |
//! | `telemetry/assembler.rs` | what was told as spans |
//! | `telemetry/batch.rs` | one batch as spans |
//! | `telemetry/settings.rs` | the environment and the file |
//! | `telemetry/export.rs` | the thread: spans to the collector |
//!
//! Nothing here decides anything, and nothing of it may slow a vote: what the thread can't take is
//! dropped and counted.

#[cfg(feature = "otel")]
mod assembler;
#[cfg(feature = "otel")]
mod batch;
#[cfg(feature = "otel")]
mod export;
#[cfg(not(feature = "otel"))]
mod off;
#[cfg(feature = "otel")]
mod on;
#[cfg(feature = "otel")]
mod settings;
#[cfg(feature = "otel")]
mod told;

#[cfg(not(feature = "otel"))]
pub use off::{Exporting, Mark, RequestSpan, Telemetry, start};
#[cfg(feature = "otel")]
pub use on::{Exporting, Mark, RequestSpan, Telemetry, start};

use serde::{Deserialize, Serialize};

/// Traces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// URL of an OpenTelemetry collector (OTLP over HTTP); `/v1/traces` is put behind it. The
    /// environment's `OTEL_EXPORTER_OTLP_ENDPOINT` goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

impl TelemetryConfig {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The environment's variables that switch traces on.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

#[cfg(all(test, feature = "otel"))]
mod tests;
