//! One module per binary in `bin/`: from an AWS event to the domain and back.

mod problem;
pub mod provider;

#[cfg(test)]
mod tests;
