//! One module per function: it maps an AWS event to the domain, and the result to a response.

pub mod breaker;
pub mod command;
pub mod project;
pub mod publish;
pub mod query;
pub mod react;
