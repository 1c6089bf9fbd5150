//! The pages in a real browser, over the platform on the local cloud: `cargo xtask test --only e2e`.
//!
//! They need Chromium and its driver. With `PARKADE_SCREENSHOTS=docs/screens` they take the screenshots of the docs.

mod customer;
mod driver;
mod names;
mod operator;
mod payments;
mod refresh;
mod sessions;
mod states;
