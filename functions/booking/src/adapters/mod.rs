//! What no pattern crate offers.

pub mod step_functions;
