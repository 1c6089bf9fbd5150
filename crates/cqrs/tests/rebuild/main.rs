//! A view is rebuilt while it is written and read: no row is wrong, missing or stale afterwards, and no reader notices.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod crashes;
mod load;
mod rules;
mod world;
