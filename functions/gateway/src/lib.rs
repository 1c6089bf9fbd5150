//! The gateway's own functions: the authorizer, and the document of all routes as OpenAPI and as a page.
//!
//! The authorizer identifies the caller by the bearer token, and returns the paths that the caller's roles grant.
//!
//! A customer may call the routes under `/mobile`, an operator those under `/operator`. The services check whose booking it
//! is. The routes under `/web` are open at the gateway: their function verifies the token with the same code and settings. An
//! invalid token is rejected with the error `Unauthorized`, which the gateway turns into a 401. A valid token without a known
//! role grants nothing, which is a 403. The example event in `events` has a token without a valid signature, so its response
//! is `Unauthorized`.

pub mod config;
pub mod document;
pub mod handlers;
