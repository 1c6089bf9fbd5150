//! Backend for apps and scripts: a customer's slots, bookings and bills, in compact JSON.
//!
//! One call for a screen: a booking comes with its bill, lists come in pages, and what a client has already is not sent
//! again. It knows the contracts of the services behind it, and none of their rules.

pub mod config;
pub mod dto;
pub mod handlers;

pub use handlers::{App, PROBLEMS, router};
