//! The backend for browsers, from the gateway's events to the services and back.

mod bookings;
mod kept_forms;
mod pages;
mod parts;
mod pictures;
mod progress;
mod responses;
mod signing_in;
mod support;
