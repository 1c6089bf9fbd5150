//! From a request to the services and back to a page; `bff` finds the others by the route.

pub mod bff;

mod bookings;
mod forms;
mod slots;

use std::time::Duration;

use ::bff::Request;
use ::bff::invoke::{Deadline, Invoke, ask};
use contracts::id::CustomerId;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_error::ServiceError;

use crate::config::Services;
use crate::pages::Place;
use crate::recollection::Recollection;

/// Whatever is asked, a person sees a page after three seconds.
const LIMIT: Duration = Duration::from_secs(3);

/// The services, and who asks them for what.
struct Errand<'a, S> {
    services: &'a S,
    at: &'a Services,
    remembered: &'a Recollection,
    request: &'a Request,
    customer: CustomerId,
    place: Place,
    deadline: Deadline,
    now: Timestamp,
    /// Names the next wish, or begins the names of all that one page may lead to.
    key: String,
}

impl<'a, S: Invoke> Errand<'a, S> {
    /// The same errand with all its time ahead: what comes after a service has used up its own.
    fn anew(&self) -> Errand<'a, S> {
        Errand {
            services: self.services,
            at: self.at,
            remembered: self.remembered,
            request: self.request,
            customer: self.customer.clone(),
            place: self.place.clone(),
            deadline: Deadline::after(LIMIT),
            now: self.now,
            key: self.key.clone(),
        }
    }

    async fn ask<A, R>(
        &self,
        function: &str,
        what: A,
        deadline: Deadline,
    ) -> Result<R, ServiceError>
    where
        A: Serialize + Sync,
        R: DeserializeOwned,
    {
        let cause = Some(self.request.correlation_id());
        let request = contracts::message::Request { cause, ..what.into() };
        ask(self.services, function, &request, deadline).await
    }
}
