#![doc = include_str!("../README.md")]

pub mod breaker;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod control;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod instance;
#[cfg(feature = "tower")]
pub mod layer;
pub mod memory;
pub mod outcome;
pub mod settings;
pub mod shared_state;
pub mod store;
mod time;
pub mod window;

#[doc(hidden)]
pub mod call {
    //! The former paths of what is in [`crate::breaker`] and [`crate::outcome`].
    pub use crate::breaker::{Breaker, Event, Host, Permit, Refused};
    pub use crate::outcome::Outcome;
}
