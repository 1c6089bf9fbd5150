//! The authoriser in front of every route.
