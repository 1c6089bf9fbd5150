//! The backend for operators, with events as the gateway sends them.

mod breakers;
mod queues;
mod room;
mod routes;
mod saga;
mod support;
