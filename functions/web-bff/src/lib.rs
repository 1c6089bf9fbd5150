//! Backend for a customer's browser: pages that are rendered here, work without a script, and better with a little one.
//!
//! A page is a composition of what the services say, and is shown whatever of it is missing. The gateway admits all callers
//! here, for a person who has not signed in is to be shown where to; so the token, which comes in a cookie or as a bearer
//! token, is verified by `bff::pages`, with the same code and the same settings as the authoriser's.

pub mod config;
pub mod dto;
pub mod handlers;
pub mod pages;
pub mod progress;
pub mod response_cache;
