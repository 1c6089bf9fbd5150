#![doc = include_str!("../README.md")]

pub mod breaker;
pub mod call;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod control;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod instance;
#[cfg(feature = "tower")]
pub mod layer;
pub mod memory;
pub mod settings;
pub mod store;
mod time;
pub mod window;
