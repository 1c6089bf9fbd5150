//! The only modules that use an AWS SDK or an HTTP client.

pub mod aws_payment_service;
pub mod dynamodb;
pub mod http;
pub mod sqs;
