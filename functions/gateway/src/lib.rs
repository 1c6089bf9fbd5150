//! The gateway's own functions: the authoriser, and the document of all routes, for programs and for people.
//!
//! The authoriser says who a bearer token speaks for, and which paths that opens.
//!
//! A customer may call what is under `/mobile`, an operator what is under `/operator`; whose bookings those are is for the
//! services to ask. What is under `/web` is open at the gateway: its function verifies the token with the same code and the
//! same settings. An invalid token is rejected with the error `Unauthorized`, of which the
//! gateway makes a 401; one that is good but names neither role opens nothing, which is a 403. The example event beside
//! this crate carries a token without a valid signature, so its response is `Unauthorized`.

pub mod config;
pub mod document;
pub mod handlers;
