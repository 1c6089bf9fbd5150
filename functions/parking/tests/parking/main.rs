//! Parking's handlers against stores in memory: real AWS events in, answers out, whatever fails, in whatever order.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod faults;
mod handlers;
mod orders;
mod samples;
mod views;
mod world;
