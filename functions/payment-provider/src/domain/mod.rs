//! The rules of a charge and its refund. Pure: no I/O, no clock, no AWS.

mod behaviour;
mod decide;
mod entry;
mod request;
mod text;

pub use behaviour::Behaviour;
pub use decide::{Decision, Pace, Receipt, Rejection, decide};
pub use entry::{Entry, Movement, MovementKind};
pub use request::{Charge, Request};
pub use text::{InvalidText, Key, Reference, Token};

#[cfg(test)]
mod tests;
