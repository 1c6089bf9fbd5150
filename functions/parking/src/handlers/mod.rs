//! One module per binary in `bin/`: AWS event → domain → AWS response.

pub mod command;
pub mod project;
pub mod publish;
pub mod query;
pub mod react;
pub mod rebuild;
