//! Billing: bills and their payments. The only service that calls the payment provider.
//!
//! Read `domain` first, then `payment_service`: it documents the order of writes to the bill and calls of the provider,
//! and how each crash between them is recovered.

pub mod domain;

pub mod contract;
pub mod guarded;
pub mod memory;
pub mod payment_service;
pub mod ports;
pub mod view;

pub mod adapters;
pub mod config;
pub mod handlers;
