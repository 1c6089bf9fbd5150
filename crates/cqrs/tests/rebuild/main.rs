//! A view is made anew while it is written and read: nothing is wrong, missing or stale afterwards, and nobody notices.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod deaths;
mod load;
mod rules;
mod world;
