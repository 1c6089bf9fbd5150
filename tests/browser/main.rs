//! The pages in a real browser, over the platform on the local cloud: `cargo xtask test --only e2e`.
//!
//! They want Chromium and its driver. With `PARKADE_SCREENSHOTS=docs/screens` they take the pictures that the docs show.

mod customer;
mod driver;
mod names;
mod operator;
