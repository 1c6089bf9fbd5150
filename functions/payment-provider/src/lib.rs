//! A payment provider's sandbox: what the platform takes for a foreign company, reached over HTTP and by a key.
//!
//! It behaves as good providers do: each charge has an idempotency key, what became of the first attempt under a key is
//! what becomes of all, and a refund names the key of its charge. A charge that is refunded before it arrives is void. By
//! the token that pays, a test orders the ways in which a provider can fail: see [`domain::Behaviour`]. The example
//! event beside this crate shows a key that is nobody's, so its answer is a 401.
//!
//! Read `domain` first; everything else carries it to and from AWS.

pub mod domain;
pub mod ledger;

pub mod adapters;
pub mod config;
pub mod handlers;
