#![doc = include_str!("../README.md")]

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod decider;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod execute;
pub mod item;
pub mod memory;
pub mod snapshot;
pub mod state;
pub mod store;
pub mod upcast;
