//! The platform through its front door: `cargo xtask test --only e2e`.
//!
//! The tests run against whatever platform `PARKADE_OUTPUTS` describes (`.local/outputs.json` unless set). Each makes its own slots and
//! customers, so that they run side by side and on a platform that is in use.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod alarms;
mod api_gateway;
mod bookings;
mod cargo_lambda;
mod cqrs;
mod dead_letters;
mod event_sourcing;
mod projections;
mod races;
mod saga_choreographed;
mod saga_orchestrated;
mod trace;
