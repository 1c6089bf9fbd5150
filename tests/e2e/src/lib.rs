//! The platform through its front door, on the local cloud.
