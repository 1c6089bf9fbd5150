//! Tests of billing's handlers with in-memory ports, and of its adapters with the real protocols.

mod dynamodb;
mod faults;
mod guarded;
mod handlers;
mod http;
mod provider;
mod races;
mod random;
mod samples;
mod world;
