//! Bookings: an event-sourced service, from the creation of a booking to the check-out.
//!
//! Read `domain` first. Everything else connects it to AWS.

pub mod domain;

pub mod contract;
pub mod ports;
pub mod rebuild_source;
pub mod republish_source;
pub mod view;

pub mod adapters;
pub mod config;
pub mod handlers;
