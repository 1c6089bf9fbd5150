//! Parking: slots, and which booking holds each.
//!
//! A slot is stored as its state, together with the events of its last change. Only the booking that holds a slot can
//! reserve or release it. Read `domain` first. Everything else connects it to AWS.

pub mod domain;

pub mod contract;
pub mod rebuild_source;
pub mod view;

pub mod config;
pub mod handlers;
