#![doc = include_str!("../README.md")]

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod consume;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod envelope;
#[cfg(feature = "eventbridge")]
pub mod eventbridge;
pub mod memory;
pub mod publish;
pub mod record;
#[cfg(feature = "sqs")]
pub mod sqs;
pub mod state;
