//! What no pattern crate offers: an OpenID provider, over https.

pub mod https;
