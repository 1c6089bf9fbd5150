//! One module per binary in `bin/`: from an AWS event to the domain and back.

pub mod breaker;
pub mod command;
pub mod project;
pub mod publish;
pub mod query;
pub mod react;
