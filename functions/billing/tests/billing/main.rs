//! Billing from the outside: its handlers against fakes, its adapters against the real protocols.

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
