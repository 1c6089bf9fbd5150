//! The context of the work that is running, and the spans of handlers and of calls.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;

use tracing::field::Empty;
use tracing::{Instrument as _, Span, error_span};
use uuid::Uuid;

use crate::context::TraceContext;
use crate::fields::TraceFields;

tokio::task_local! {
    static CURRENT: Scope;
}

struct Scope {
    span: Span,
    context: TraceContext,
    correlation_id: RefCell<Option<String>>,
}

/// Where a piece of work comes from: its trace, and the business transaction that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    context: TraceContext,
    correlation_id: Option<String>,
}

impl Origin {
    /// The received trace or, without a valid one, a new one with the seed that `seed` returns
    /// ([`TraceContext::start`]).
    pub fn new(received: &TraceFields, seed: impl FnOnce() -> Uuid) -> Self {
        let context = received.context().unwrap_or_else(|| TraceContext::start(seed()));
        Self { context, correlation_id: None }
    }

    /// The same with a correlation id.
    #[must_use]
    pub fn correlated(self, id: impl Display) -> Self {
        Self { correlation_id: Some(id.to_string()), ..self }
    }

    /// The trace.
    #[must_use]
    pub fn context(&self) -> &TraceContext {
        &self.context
    }
}

/// Runs a handler in its span: `work` and everything it calls belongs to the trace of `origin`.
///
/// The span is of level `ERROR`, so that a function which logs errors only still says which request they belong to.
pub async fn handle<T>(handler: &str, origin: Origin, work: impl Future<Output = T>) -> T {
    let Origin { context, correlation_id } = origin;
    let span = error_span!("handler", handler, correlationId = Empty, traceId = context.trace_id());
    if let Some(id) = &correlation_id {
        span.record("correlationId", id);
    }
    let scope = Scope { span: span.clone(), context, correlation_id: RefCell::new(correlation_id) };
    CURRENT.scope(scope, work.instrument(span)).await
}

/// Adds the correlation id to the running handler, once it is known.
pub fn correlate(id: impl Display) {
    let id = id.to_string();
    // Outside of a handler there is no span that would have to name it.
    current(|scope| {
        scope.span.record("correlationId", &id);
        scope.correlation_id.replace(Some(id));
    });
}

/// The correlation id of the running handler, if it is known.
#[must_use]
pub fn correlation_id() -> Option<String> {
    current(|scope| scope.correlation_id.borrow().clone()).flatten()
}

/// Runs an outgoing call in its span. It is named by service and operation, such as `sqs:SendMessage`, and by what it is
/// sent to.
pub async fn call<T>(name: &str, target: &str, work: impl Future<Output = T>) -> T {
    let span = error_span!("call", call = name, target, correlationId = Empty, traceId = Empty);
    // A call during init belongs to no request.
    current(|scope| {
        span.record("traceId", scope.context.trace_id());
        if let Some(id) = scope.correlation_id.borrow().as_deref() {
            span.record("correlationId", id);
        }
    });
    work.instrument(span).await
}

/// Runs an outgoing call that is made for several origins at once, such as a batch of events. Its span has the ids of all of
/// them, each once, separated by commas.
pub async fn call_for_all<'a, T>(
    name: &str,
    target: &str,
    origins: impl IntoIterator<Item = &'a Origin>,
    work: impl Future<Output = T>,
) -> T {
    let (mut traces, mut correlations) = (BTreeSet::new(), BTreeSet::new());
    for origin in origins {
        traces.insert(origin.context.trace_id());
        correlations.extend(origin.correlation_id.as_deref());
    }
    let traces: Vec<&str> = traces.iter().map(String::as_str).collect();
    let correlations: Vec<&str> = correlations.into_iter().collect();
    let span = error_span!(
        "call",
        call = name,
        target,
        correlationId = correlations.join(","),
        traceId = traces.join(",")
    );
    work.instrument(span).await
}

impl TraceFields {
    /// The context of the running handler, for a message that it sends. There is none outside of a handler.
    #[must_use]
    pub fn current() -> Self {
        current(|scope| Self::from(&scope.context)).unwrap_or_default()
    }
}

/// Uses the scope of the running handler; does nothing outside of one.
fn current<T>(use_scope: impl FnOnce(&Scope) -> T) -> Option<T> {
    CURRENT.try_with(use_scope).ok()
}
