//! The contracts between the services: commands, queries, responses and published events.
//!
//! Services share this crate and nothing else. A published event never changes incompatibly: its JSON Schema lies in
//! `contracts/schemas`, one document of every version ever published in `contracts/samples`, and tests read them all.
//! One of every version that a service has ever stored lies there too.

pub mod billing;
pub mod booking;
pub mod id;
pub mod message;
pub mod money;
mod name;
pub mod parking;
pub mod projection;
