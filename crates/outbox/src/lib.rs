//! Outbox: what was committed is published, and each consumer applies it once.
