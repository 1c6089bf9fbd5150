//! Parking's handlers against in-memory stores: AWS event in, response out, under faults and in any order.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod faults;
mod handlers;
mod orders;
mod samples;
mod views;
mod world;
