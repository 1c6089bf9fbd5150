//! Parking's handlers against stores in memory: real AWS events in, answers out, whatever fails, in whatever order.

mod faults;
mod handlers;
mod orders;
mod views;
mod world;
