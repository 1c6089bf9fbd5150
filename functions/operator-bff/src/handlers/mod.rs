//! From a request to the services and back; `bff` finds the others by the route.

pub mod bff;

pub mod breakers;

mod bookings;
mod projections;
mod queues;
mod room;
mod slots;

use std::time::Duration;

use ::bff::invoke::Deadline;
use ::bff::{PageAsked, Request};
use contracts::message::PageRequest;

use crate::config::Services;

/// Whatever is asked, an operator knows more after five seconds.
const LIMIT: Duration = Duration::from_secs(5);

/// The services, and what they are asked for.
struct Errand<'a, S> {
    services: &'a S,
    at: &'a Services,
    request: &'a Request,
    deadline: Deadline,
}

/// What a client asks of a list, in the services' words.
fn page_request(asked: PageAsked) -> PageRequest {
    PageRequest { limit: asked.limit, cursor: asked.cursor }
}
