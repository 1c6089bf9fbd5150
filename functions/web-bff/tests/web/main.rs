//! The backend for browsers, from the gateway's events to the services and back.

mod pages;
mod parts;
mod pictures;
mod steps;
mod support;
