//! The only modules that know an AWS SDK, and what stands in for it in tests.

pub mod dynamodb;
pub mod memory;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod samples;
