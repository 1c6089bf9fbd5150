//! The platform through its public API: `cargo xtask test --only e2e`.
//!
//! The tests run against the platform that `PARKADE_OUTPUTS` describes (`.local/outputs.json` by default). Each creates
//! its own slots and customers, so they can run concurrently, and on a platform that is in use.

#![expect(clippy::unwrap_used, reason = "a failing test says where")]

mod alarms;
mod api_gateway;
mod bookings;
mod cargo_lambda;
mod cqrs;
mod dead_letters;
mod demo;
mod event_sourcing;
mod projections;
mod races;
mod saga_choreographed;
mod saga_orchestrated;
mod trace;
