//! A node's answer, and what is made of it.

use crate::error::{Failure, INTERNAL};
use crate::view::failure_of_problem;
use bytes::Bytes;
use serde::de::DeserializeOwned;

/// A node's answer, whole.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body.
    pub(super) body: Bytes,
    /// Who answered.
    pub(super) url: String,
}

impl Answer {
    /// The body of a success; otherwise the failure that the node tells.
    pub(super) fn success(self) -> Result<Bytes, Failure> {
        if (200..300).contains(&self.status) { Ok(self.body) } else { Err(self.failure()) }
    }

    /// The document in the body, for these statuses.
    pub(super) fn document_of<T: DeserializeOwned>(self, statuses: &[u16]) -> Result<T, Failure> {
        if !statuses.contains(&self.status) {
            return Err(self.failure());
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| self.not_ours(&format!("its answer is not understood: {error}")))
    }

    /// The failure in a problem document.
    pub(super) fn failure(&self) -> Failure {
        failure_of_problem(&self.body, self.status).unwrap_or_else(|| {
            self.not_ours(&format!("it answers with HTTP status {}", self.status))
        })
    }

    fn not_ours(&self, why: &str) -> Failure {
        let what = format!("{} does not answer as a Quorate node does: {why}", self.url);
        Failure::new(INTERNAL, what).help("check the URL given with --node")
    }
}
