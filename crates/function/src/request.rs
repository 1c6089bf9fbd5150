//! The trace of a direct invocation.

use trace_context::{Origin, TraceFields, handle};
use uuid::Uuid;

/// Handles a request of another function, of the saga or of an operator: `work` runs in the span of `handler` and belongs
/// to the caller's trace.
///
/// A request without a trace starts a new one, with the id of what caused the request. So all steps of a saga that was
/// started without a trace belong to one. Without a correlation id, the cause is the correlation id, until the handler
/// calls [`trace_context::correlate`]. A request of a trace that its caller records is logged.
pub async fn handle_request<T>(
    handler: &str,
    received: &TraceFields,
    correlation_id: Option<Uuid>,
    cause: Option<Uuid>,
    work: impl Future<Output = T>,
) -> T {
    let mut origin = Origin::new(received, || cause.unwrap_or_else(Uuid::new_v4));
    if let Some(id) = correlation_id.or(cause) {
        origin = origin.correlated(id);
    }
    let is_recorded = origin.context().is_sampled();
    let traceparent = origin.context().to_string();
    // Boxed, because the nested futures of a handler would exceed the stack otherwise.
    let work = Box::pin(async move {
        if is_recorded {
            tracing::info!(traceparent, "request received");
        }
        work.await
    });
    handle(handler, origin, work).await
}
