#![doc = include_str!("../README.md")]

pub mod keys;
pub mod policy;
pub mod proxy;
pub mod token;
pub mod verifier;

#[cfg(feature = "https")]
pub mod https;
#[cfg(feature = "issuer")]
pub mod issuer;
#[cfg(feature = "lambda")]
pub mod lambda;
