//! Projections: the views that follow a service's stream, and how they are rebuilt.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The commands of a `rebuild` function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Begins a rebuild, or resumes an abandoned one. The caller must then send `WorkOnRebuild`.
    BeginRebuild {},
    /// Works until the rebuild is done. It takes minutes, so it is invoked asynchronously.
    WorkOnRebuild {},
    /// Makes the previous generation live again. A repeated command has no further effect.
    RollBack {
        /// Its number.
        generation: u64,
    },
}

/// The status and progress of a projection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Projection {
    /// The status.
    pub status: ProjectionStatus,
    /// Rows that the current rebuild has written so far, or that the last one wrote in total.
    pub applied: u64,
    /// The projection lag in seconds.
    pub lag_seconds: u64,
    /// The generation that queries read.
    pub generation: u64,
    /// The generation to which a rollback is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
    /// The generation that is being built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub building: Option<u64>,
    /// Rows of the new generation that were compared with the live ones.
    pub compared: u64,
    /// Rows that were behind and were backfilled.
    #[serde(rename = "healed")]
    pub backfilled: u64,
    /// Rows whose content differs from the live ones.
    pub different: u64,
    /// Why the last rebuild failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// When another generation was last promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_at: Option<Timestamp>,
}

/// The status of a projection, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectionStatus {
    /// It is read and written.
    Live,
    /// A new generation is being built, and the live one is still read and written.
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
