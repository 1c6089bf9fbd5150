//! Bookings: event sourced, from the wish to the check-out.
