//! Sagas: what a step may answer, and what its caller does next.
