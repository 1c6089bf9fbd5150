//! The backend for operators, with events as the gateway sends them.

mod breakers;
mod queues;
#[path = "../../../web-bff/tests/web/recorder.rs"]
mod recorder;
mod responses;
mod room;
mod routes;
mod saga;
mod support;
