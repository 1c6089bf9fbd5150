//! Adapters that no pattern crate provides.

pub mod step_functions;
