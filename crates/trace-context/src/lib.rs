#![doc = include_str!("../README.md")]

mod context;
mod fields;
mod scope;

pub use context::TraceContext;
pub use fields::{TRACEPARENT, TRACESTATE, TraceFields};
pub use scope::{Origin, call, call_for_all, correlate, correlation_id, handle};
