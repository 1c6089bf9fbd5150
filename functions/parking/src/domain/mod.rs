//! The rules of a slot. Pure: no I/O, no clock, no AWS.

mod command;
mod decide;
mod event;
mod state;

pub use command::SlotCommand;
pub use decide::{Rejection, decide};
pub use event::SlotEvent;
pub use state::{Slot, SlotState, evolve};

#[cfg(test)]
mod tests;

impl outbox::state::Aggregate for Slot {}
