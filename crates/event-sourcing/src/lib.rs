//! Event sourcing: decide, evolve, append.
