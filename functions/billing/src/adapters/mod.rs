//! The only modules that know an AWS SDK or an HTTP client.

pub mod desk;
pub mod dynamodb;
pub mod http;
pub mod sqs;
