//! The backend for browsers, from the gateway's events to the services and back.

mod bookings;
mod pages;
mod parts;
mod pictures;
mod progress;
mod recorder;
mod responses;
mod signing_in;
mod support;
