#![doc = include_str!("../README.md")]

pub mod compose;
pub mod guarded;
pub mod invoke;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod memory;
pub mod stale_cache;
pub mod web;

mod idempotency;
mod problem;
mod runtime;
mod trace;

pub use idempotency::{IdempotencyKey, InvalidKey};
pub use problem::{Problem, ProblemKind};
pub use runtime::Runtime;
pub use web::Origins;
