//! Bookings: event sourced, from the wish to the check-out.
//!
//! Read `domain` first; everything else carries it to and from AWS.

pub mod domain;

pub mod contract;
pub mod ports;
pub mod rebuild_source;
pub mod republish_source;
pub mod view;

pub mod adapters;
pub mod config;
pub mod handlers;
