//! Requests as API Gateway hands them to a function, and the responses that it receives, for tests of backends.

pub mod recorder;

mod request;
mod response;

pub use request::Sent;
pub use response::{Headers, Received};
