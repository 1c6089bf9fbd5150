//! The rules of a bill. Pure: no I/O, no clock, no AWS.

mod command;
mod decide;
mod event;
mod state;

pub use command::{BillCommand, Outcome};
pub use decide::{Decision, PAYMENTS_MAX, Rejection, decide};
pub use event::BillEvent;
pub use state::{ATTENTION_AFTER, Bill, Payment, PaymentState, Stage, Terms};

#[cfg(test)]
mod tests;
