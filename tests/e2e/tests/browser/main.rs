//! The pages in a real browser, over the platform on the local cloud: `cargo xtask test --only e2e`.
//!
//! They want Chromium and its driver. With `PARKADE_SCREENSHOTS=docs/screens` they take the pictures that the docs show.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod driver;
#[path = "../e2e/platform.rs"]
#[expect(dead_code, reason = "the other tests use the rest of it")]
mod platform;

mod customer;
mod operator;
mod webdriver;
