//! What every Lambda function starts with: tracing, the AWS configuration, identifiers and a clock.
