//! Files of users: `quorate.content/1`.

use super::Schema;
use super::text::CidText;
use crate::content::{Known, Stored};
use ipfs_adapter::ContentId;
use ipfs_adapter::chunks::GetReport;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What became of a file, or what is known of it. Only what the request asked for is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContentDocument {
    /// `quorate.content/1`.
    #[schema(value_type = String)]
    pub schema: Schema,
    /// True.
    pub ok: bool,
    /// The file's id: CIDv1, base32.
    #[schema(value_type = CidText)]
    pub cid: String,
    /// Its size; null while that is not known here.
    pub bytes: Option<u64>,
    /// Its blocks as far as they are known here, those with links included.
    pub blocks: u64,
    /// Those of them that are held here.
    #[serde(default)]
    pub blocks_held: u64,
    /// Whether all of it is here.
    #[serde(default)]
    pub complete: bool,
    /// Whether it is kept.
    #[serde(default)]
    pub pinned: bool,
    /// Put: whether other peers know already that it is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<bool>,
    /// Pin: bytes that came from others for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_fetched: Option<u64>,
    /// Put, pin: how long it took, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_us: Option<u64>,
}

const SCHEMA: Schema = Schema::Borrowed("quorate.content/1");

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl ContentDocument {
    /// Of a file that was put, and so is pinned.
    pub fn of_stored(stored: &Stored) -> Self {
        let Stored { report, is_announced } = stored;
        Self {
            schema: SCHEMA,
            ok: true,
            cid: report.root.to_string(),
            bytes: Some(report.bytes),
            blocks: report.blocks,
            blocks_held: report.blocks,
            complete: true,
            pinned: true,
            announced: Some(*is_announced),
            elapsed_us: Some(micros(report.elapsed)),
            ..Self::default()
        }
    }

    /// Of a file that was pinned, and so is complete.
    pub fn of_pinned(root: ContentId, report: &GetReport) -> Self {
        Self {
            schema: SCHEMA,
            ok: true,
            cid: root.to_string(),
            bytes: Some(report.bytes),
            blocks: report.chunks,
            blocks_held: report.chunks,
            complete: true,
            pinned: true,
            bytes_fetched: Some(report.bytes_fetched),
            elapsed_us: Some(micros(report.elapsed)),
            ..Self::default()
        }
    }

    /// Of what is here.
    pub fn of_known(root: ContentId, known: &Known) -> Self {
        Self {
            schema: SCHEMA,
            ok: true,
            cid: root.to_string(),
            bytes: known.file.bytes,
            blocks: known.file.blocks_known,
            blocks_held: known.file.blocks_held,
            complete: known.file.is_complete,
            pinned: known.is_pinned,
            ..Self::default()
        }
    }
}
