//! The envelope of every command and query, and the pages of lists.

use serde::{Deserialize, Serialize};
use trace_context::TraceFields;
use uuid::Uuid;

/// A command or a query with its metadata, as it is sent to a service's function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<T> {
    /// The command or query.
    #[serde(flatten)]
    pub payload: T,
    /// What caused it: a request's correlation id, or the id of an event. It becomes the causation id of events.
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
    fn from(payload: T) -> Self {
        Self { payload, cause: None, correlation_id: None, trace: TraceFields::default() }
    }
}

/// The maximum number of rows of a page, and its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageRequest {
    /// 1 to 100.
    pub limit: u32,
    /// The `nextCursor` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Present if there are more rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
