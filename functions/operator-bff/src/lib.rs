//! Backend for the control room: all slots, all bookings, what has happened to them and how their sagas went.
//!
//! Read `workflow` for how an execution's history becomes steps, and `queues` for dead letters; everything else carries requests to the services.

pub mod config;
pub mod queues;
pub mod shape;
pub mod workflow;

pub mod adapters;
pub mod handlers;
