#![doc = include_str!("../README.md")]

mod failure;

pub use failure::{Failure, FailureKind};
