//! `gateway-docs`, with events as the gateway sends them.

#[path = "../../../web-bff/tests/web/recorder.rs"]
mod recorder;
mod responses;
