//! The rules of a bill. Pure: no I/O, no clock, no AWS.

mod command;
mod decide;
mod event;
mod state;

pub use command::{BillCommand, ChargeOutcome};
pub use decide::{Decision, MAX_PAYMENTS, Rejection, decide};
pub use event::BillEvent;
pub use state::{Bill, Payment, PaymentState, RECONCILE_AFTER, Stage, Terms};

#[cfg(test)]
mod tests;
