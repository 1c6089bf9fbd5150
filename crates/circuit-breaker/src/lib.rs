#![doc = include_str!("../README.md")]

pub mod breaker;
pub mod call_outcome;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod control;
pub mod decision;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "tower")]
pub mod layer;
pub mod local_breaker;
pub mod memory;
pub mod settings;
pub mod shared_state;
pub mod store;
mod time;
pub mod window;
