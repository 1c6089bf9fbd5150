//! What surrounds each command and each page, whichever service it belongs to.

use serde::{Deserialize, Serialize};
use trace_context::TraceFields;
use uuid::Uuid;

/// A command or a query on its way to a service's function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<T> {
    /// The command or query.
    #[serde(flatten)]
    pub ask: T,
    /// What set it off: a request's correlation id, or the id of an event. Becomes the causation id of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Uuid>,
    /// The id of the business transaction that the caller works for, for logs. A command that belongs to a booking has the
    /// booking's id instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Uuid>,
    /// The trace that the request belongs to.
    #[serde(flatten)]
    pub trace: TraceFields,
}

impl<T> From<T> for Request<T> {
    fn from(ask: T) -> Self {
        Self { ask, cause: None, correlation_id: None, trace: TraceFields::default() }
    }
}

/// How many rows a page holds at most, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageRequest {
    /// 1 to 100.
    pub limit: u32,
    /// The `nextCursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Present when there is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
