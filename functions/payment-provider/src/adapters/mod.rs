//! The only modules that use an AWS SDK, and their replacement in tests.

pub mod dynamodb;
pub mod memory;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod samples;
