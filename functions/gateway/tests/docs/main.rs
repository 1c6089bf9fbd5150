//! `gateway-docs`, with events as the gateway sends them.

mod responses;
