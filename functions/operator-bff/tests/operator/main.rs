//! The backend for operators, with events as the gateway sends them.

mod circuit_breakers;
mod console;
mod dead_letters;
mod responses;
mod routes;
mod saga;
mod support;
