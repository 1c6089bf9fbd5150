//! Billing: bills, and what was paid on them.
