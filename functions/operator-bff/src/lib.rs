//! Backend for the control room: all slots, all bookings, what has happened to them and how their sagas went; as JSON for
//! programs, and as pages for people.
//!
//! Read `workflow` for how an execution's history becomes steps, `queues` for dead letters, and `pages` for what is seen;
//! everything else carries requests to the services.

pub mod config;
pub mod pages;
pub mod queues;
pub mod shape;
pub mod workflow;

pub mod adapters;
pub mod handlers;
