//! The sandbox of a payment provider. For the platform it is another company, called over HTTP with a key.
//!
//! It behaves as real providers do. Each charge has an idempotency key, all requests with a key have the result of the first
//! one, and a refund names the key of its charge. A charge that is refunded before it arrives is void. A test selects the
//! failure of the provider by the token of the card: see [`domain::Behaviour`]. The example event in `events` has an unknown
//! client key, so the response is a 401.
//!
//! Read `domain` first. The other modules connect it to AWS.

pub mod domain;
pub mod ledger;

pub mod adapters;
pub mod config;
pub mod handlers;
