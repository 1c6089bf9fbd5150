//! A payment provider's sandbox, with a ledger of its own.
