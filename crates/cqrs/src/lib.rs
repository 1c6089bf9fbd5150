#![doc = include_str!("../README.md")]

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod cursor;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod follow;
pub mod memory;
pub mod page;
pub mod view;
pub mod wait;
