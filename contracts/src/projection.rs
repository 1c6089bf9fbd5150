//! Projections: the views that follow a service's stream, and how they are rebuilt.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a `rebuild` function may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Begins a rebuild, or resumes an abandoned one. The caller must then send `WorkOnRebuild`.
    BeginRebuild {},
    /// Works until the rebuild is done. It takes minutes, so it is invoked asynchronously.
    WorkOnRebuild {},
    /// Makes the previous generation live again; asked twice, once.
    RollBack {
        /// Its number.
        generation: u64,
    },
}

/// The status and progress of a projection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Projection {
    /// In one word.
    pub status: ProjectionStatus,
    /// Rows that the rebuild under way has made so far, or the last one in all.
    pub applied: u64,
    /// Seconds by which the view is behind.
    pub lag_seconds: u64,
    /// Generation that queries read.
    pub generation: u64,
    /// Generation that can be gone back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
    /// Generation that is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub building: Option<u64>,
    /// Rows of it that were compared with the live ones.
    pub compared: u64,
    /// Those that were behind, and were made again.
    pub healed: u64,
    /// Those that tell something else.
    pub different: u64,
    /// Why the last attempt at a rebuild came to a halt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// When queries were last pointed to another generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_at: Option<Timestamp>,
}

/// The status of a projection, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectionStatus {
    /// It is read and written.
    Live,
    /// A new generation is being made beside it.
    Rebuilding,
    /// A rebuild was started, and no worker runs it. The live generation is complete.
    Failed,
}

/// What a service's view holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// Rows by state.
    pub counts: BTreeMap<String, u64>,
    /// Where counting ends: a state with so many has this many or more.
    pub counted_up_to: u64,
    /// The status of the view.
    pub projection: Projection,
}
