//! The rules of a booking. Pure: no I/O, no clock, no AWS.

mod command;
mod decide;
mod event;
mod state;

pub use command::BookingCommand;
pub use decide::Rejection;
pub use event::BookingEvent;
pub use state::{Booking, Details};

#[cfg(test)]
mod tests;

impl event_sourcing::decider::Decider for Booking {
    type Command = BookingCommand;
    type Event = BookingEvent;
    type Rejection = Rejection;

    fn decide(&self, command: &BookingCommand) -> Result<Vec<BookingEvent>, Rejection> {
        decide::decide(self, command)
    }

    fn evolve(self, event: &BookingEvent) -> Self {
        state::evolve(self, event)
    }
}
