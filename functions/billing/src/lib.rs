//! Billing: bills, and what was paid on them. The only service that knows the payment provider.
//!
//! Read `domain` first, then `desk`: it says in which order the bill and the provider are asked, and what becomes of a
//! payment when everything stops in between.

pub mod domain;

pub mod contract;
pub mod desk;
pub mod guarded;
pub mod memory;
pub mod ports;
pub mod view;

pub mod adapters;
pub mod config;
pub mod handlers;
