//! Parking: slots, and who holds them.
//!
//! A slot is stored as its state; what has happened goes out with it. Only the booking that holds a slot can reserve it
//! or give it up. Read `domain` first; everything else carries it to and from AWS.

pub mod domain;

pub mod contract;
pub mod rebuild_source;
pub mod view;

pub mod config;
pub mod handlers;
