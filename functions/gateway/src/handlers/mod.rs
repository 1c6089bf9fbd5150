//! One module per binary in `bin/`: from an AWS event to the rules and back.

pub mod authorize;
pub mod docs;
