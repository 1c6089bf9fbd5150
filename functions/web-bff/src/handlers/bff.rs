//! `web-bff`: one request of a browser.

use api_gateway::proxy::{ProxyAnswer, ProxyEvent};
use api_gateway::verifier::KeySource;
use bff::invoke::{Deadline, Invoke};
use bff::pages::provider::Provider;
use bff::pages::{Fresh, Front, Visitor};
use bff::{Answer, Problem, Request};
use contracts::id::CustomerId;
use jiff::Timestamp;
use uuid::Uuid;

use super::{LIMIT, RequestContext, bookings, forms, slots};
use crate::config::Services;
use crate::response_cache::ResponseCache;

/// Where the slugs of problems are explained.
pub const PROBLEMS: &str = "https://parkade.dev/problems/";

/// The backend with everything that it reaches.
#[derive(Debug)]
pub struct Web<S, K, P> {
    /// The services.
    pub services: S,
    /// What they are called.
    pub at: Services,
    /// Who sees the pages.
    pub front: Front<K, P>,
    /// Answers that were seen.
    pub cache: ResponseCache,
}

impl<S: Invoke, K: KeySource, P: Provider> Web<S, K, P> {
    /// Answers one event of the gateway, whatever it holds.
    pub async fn handle(
        &self,
        event: ProxyEvent,
        fresh: Fresh<impl Fn() -> Uuid, impl Fn() -> String>,
    ) -> ProxyAnswer {
        let (now, new_id) = (fresh.now, &fresh.id);
        let answer = async |request, visitor| self.answer(request, visitor, now, new_id()).await;
        self.front.serve(event, &fresh, answer).await
    }

    /// The routes are those of the OpenAPI document, and a test holds the two together.
    async fn answer(
        &self,
        request: Request,
        visitor: Visitor,
        now: Timestamp,
        key: Uuid,
    ) -> Result<Answer, Problem> {
        let context = RequestContext {
            services: &self.services,
            at: &self.at,
            cache: &self.cache,
            request: &request,
            customer: CustomerId(visitor.subject),
            place: visitor.place,
            deadline: Deadline::after(LIMIT),
            now,
            key: key.to_string(),
            kept_form: visitor.kept_form,
        };
        match request.route() {
            ("GET", "/web") => slots::show(&context).await,
            ("GET", "/web/bookings") => bookings::list(&context).await,
            ("POST", "/web/bookings") => forms::book(&context).await,
            ("GET", "/web/bookings/{bookingId}") => bookings::show(&context).await,
            ("POST", "/web/bookings/{bookingId}/payments") => forms::pay(&context).await,
            ("POST", "/web/bookings/{bookingId}/cancel") => forms::cancel(&context).await,
            ("POST", "/web/bookings/{bookingId}/check-out") => forms::check_out(&context).await,
            _ => Err(Problem::not_found("there is no such route")),
        }
    }
}
