//! What no pattern crate offers.

pub mod sfn;
pub mod sqs;
