//! From a request to the services and back to a page; `bff` finds the others by the route.

pub mod bff;

mod bookings;
mod forms;
mod slots;

use std::time::Duration;

use ::bff::Request;
use ::bff::invoke::{Deadline, Invoke, ask};
use ::bff::pages::KeptForm;
use contracts::id::CustomerId;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_error::ServiceError;

use crate::config::Services;
use crate::pages::Place;
use crate::response_cache::ResponseCache;

/// What a form says that was sent after the session had expired, and is shown again as it was filled in.
const SIGNED_IN_AGAIN: &str = "Your session had expired, so nothing was sent. You are signed in again: check the form, and send it.";
/// For every request, a person sees a page after three seconds.
const LIMIT: Duration = Duration::from_secs(3);

/// The services, and who asks them for what.
struct RequestContext<'a, S> {
    services: &'a S,
    at: &'a Services,
    cache: &'a ResponseCache,
    request: &'a Request,
    customer: CustomerId,
    place: Place,
    deadline: Deadline,
    now: Timestamp,
    /// The idempotency key of the next form, or the beginning of those of all forms of one page.
    key: String,
    /// A form of this page that was sent after the session had expired.
    kept_form: Option<KeptForm>,
}

impl<'a, S: Invoke> RequestContext<'a, S> {
    /// The same context with a new deadline, for the calls after a service has used up the first one.
    fn with_new_deadline(&self) -> RequestContext<'a, S> {
        RequestContext {
            services: self.services,
            at: self.at,
            cache: self.cache,
            request: self.request,
            customer: self.customer.clone(),
            place: self.place.clone(),
            deadline: Deadline::after(LIMIT),
            now: self.now,
            key: self.key.clone(),
            kept_form: None,
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
