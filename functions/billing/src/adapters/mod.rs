//! The only modules that know an AWS SDK or an HTTP client.

pub mod dynamodb;
pub mod http;
pub mod sqs;
