//! `operator-bff`: one request of an operator's, from a program or from a browser.

use api_gateway::proxy::{ProxyAnswer, ProxyEvent};
use api_gateway::verifier::KeySource;
use bff::invoke::{Deadline, Invoke};
use bff::pages::provider::Provider;
use bff::pages::{Fresh, Front, Visitor};
use bff::{Answer, Edge, Problem, ProblemKind, Request};
use circuit_breaker::breaker::Environment;
use circuit_breaker::control::Control;
use circuit_breaker::store::Store;
use contracts::id::SlotId;
use jiff::Timestamp;
use uuid::Uuid;

use super::room::Room;
use super::{Errand, LIMIT, bookings, breakers, projections, queues, slots};
use crate::config::Config;
use crate::pages::SITE;
use crate::queues::Queues;
use crate::workflow::Workflow;

/// Where the slugs of problems are explained.
pub const PROBLEMS: &str = "https://parkade.dev/problems/";

/// Everything that the backend reaches.
#[derive(Debug)]
pub struct Backend<'a, S, W, Q, B, H> {
    /// The services.
    pub services: &'a S,
    /// The state machines.
    pub workflow: &'a W,
    /// The queues.
    pub queues: &'a Q,
    /// The circuit breakers around the services.
    pub breakers: &'a Control<B, H>,
    /// What all of these are called.
    pub config: &'a Config,
}

impl<S, W, Q, B, H> Backend<'_, S, W, Q, B, H>
where
    S: Invoke,
    W: Workflow,
    Q: Queues,
    B: Store + Sync,
    H: Environment + Sync,
{
    /// Answers one event of the gateway, whatever it holds. Who sees the pages is for `front` to say; who calls the other
    /// routes is for the gateway's authoriser, and no cookie opens them.
    pub async fn handle(
        &self,
        front: &Front<impl KeySource, impl Provider>,
        event: ProxyEvent,
        fresh: Fresh<impl Fn() -> Uuid, impl Fn() -> String>,
    ) -> ProxyAnswer {
        let (now, new_id) = (fresh.now, &fresh.id);
        if is_of_a_page(event.resource.as_deref().unwrap_or_default()) {
            let page = async |request, visitor| self.page(request, visitor, now, new_id()).await;
            return front.serve(event, &fresh, page).await;
        }
        let edge = Edge { problems: PROBLEMS, origins: self.config.origins.clone() };
        let answer = async |request| self.answer(request, new_id()).await;
        Box::pin(edge.serve(event, new_id(), answer)).await
    }

    fn errand<'r>(&'r self, request: &'r Request) -> Errand<'r, S> {
        Errand {
            services: self.services,
            at: &self.config.services,
            request,
            deadline: Deadline::after(LIMIT),
        }
    }

    async fn page(
        &self,
        request: Request,
        visitor: Visitor,
        now: Timestamp,
        new_id: Uuid,
    ) -> Result<Answer, Problem> {
        let errand = self.errand(&request);
        Room { backend: self, errand, visitor, now, new_id }.answer().await
    }

    /// The routes are those of the OpenAPI document, and a test holds the two together.
    async fn answer(&self, request: Request, new_id: Uuid) -> Result<Answer, Problem> {
        if !request.caller()?.is("operator") {
            return Err(Problem::new(ProblemKind::Forbidden, "this is for operators"));
        }
        let errand = self.errand(&request);
        let (letters, watched) = (self.queues, &self.config.queues);
        match request.route() {
            ("POST", "/operator/slots") => slots::create(&errand, SlotId(new_id)).await,
            ("GET", "/operator/slots") => slots::list(&errand).await,
            ("GET", "/operator/slots/{slotId}") => slots::read(&errand).await,
            ("POST", "/operator/slots/{slotId}/close") => slots::close(&errand).await,
            ("POST", "/operator/slots/{slotId}/reopen") => slots::reopen(&errand).await,
            ("GET", "/operator/bookings") => bookings::list(&errand).await,
            ("GET", "/operator/bookings/{bookingId}/events") => bookings::history(&errand).await,
            ("GET", "/operator/bookings/{bookingId}/saga") => {
                bookings::saga(&errand, self.workflow).await
            }
            ("GET", "/operator/overview") => {
                projections::overview(&errand, letters, watched, self.breakers).await
            }
            ("GET", "/operator/dead-letters") => queues::letters(&errand, letters, watched).await,
            ("POST", "/operator/dead-letters/{queue}/redrive") => {
                queues::redrive(&errand, letters, watched).await
            }
            ("POST", "/operator/dead-letters/{queue}/discard") => {
                queues::discard(&errand, letters, watched).await
            }
            ("POST", "/operator/services/{service}/republish") => {
                queues::republish(&errand, letters, watched).await
            }
            ("GET", "/operator/circuit-breakers") => breakers::list(&errand, self.breakers).await,
            ("POST", "/operator/circuit-breakers/{name}") => {
                breakers::force(&errand, self.breakers).await
            }
            ("POST", "/operator/circuit-breakers/{name}/reset") => {
                breakers::reset(&errand, self.breakers).await
            }
            ("GET", "/operator/projections/{name}") => projections::read(&errand).await,
            ("POST", "/operator/projections/{name}/rebuild") => projections::rebuild(&errand).await,
            ("POST", "/operator/projections/{name}/rollback") => {
                projections::roll_back(&errand).await
            }
            _ => Err(Problem::not_found("there is no such route")),
        }
    }
}

/// Pages are open at the gateway, and lie apart from the routes that are not.
fn is_of_a_page(route: &str) -> bool {
    route.strip_prefix(SITE.base).is_some_and(|below| {
        matches!(
            below,
            "" | "/sign-in" | "/signed-in" | "/sign-out" | "/assets/{name}" | "/{proxy+}"
        ) || below.starts_with("/room/")
    })
}
