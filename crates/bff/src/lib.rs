#![doc = include_str!("../README.md")]

pub mod compose;
pub mod guarded;
pub mod invoke;
pub mod kept;
pub mod memory;
#[cfg(feature = "pages")]
pub mod pages;
pub mod web;

mod answer;
mod correlation;
mod edge;
mod idempotency;
#[cfg(feature = "lambda")]
pub mod lambda;
mod origins;
mod problem;
mod query;
mod request;
mod trace;

pub use answer::Answer;
pub use edge::Edge;
pub use idempotency::{IdempotencyKey, InvalidKey};
pub use origins::Origins;
pub use problem::{Problem, ProblemKind};
pub use query::{PageAsked, Query};
pub use request::{Caller, Request};
