//! `operator-bff`: one request of an operator's.

use api_gateway::proxy::{ProxyAnswer, ProxyEvent};
use bff::invoke::{Deadline, Invoke};
use bff::{Answer, Edge, Problem, ProblemKind, Request};
use circuit_breaker::call::Host;
use circuit_breaker::control::Control;
use circuit_breaker::store::Store;
use contracts::id::SlotId;
use uuid::Uuid;

use super::{Errand, LIMIT, bookings, breakers, projections, queues, slots};
use crate::config::Config;
use crate::queues::Queues;
use crate::workflow::Workflow;

/// Where the slugs of problems are explained.
const PROBLEMS: &str = "https://parkade.dev/problems/";

/// Answers one event of the gateway, whatever it holds.
pub async fn handle(
    services: &impl Invoke,
    workflow: &impl Workflow,
    queues: &impl Queues,
    edge_breakers: &Control<impl Store + Sync, impl Host + Sync>,
    config: &Config,
    event: ProxyEvent,
    new_id: impl Fn() -> Uuid,
) -> ProxyAnswer {
    let edge = Edge { problems: PROBLEMS, origins: config.origins.clone() };
    let answer =
        |request| answer(services, workflow, queues, edge_breakers, config, request, &new_id);
    edge.serve(event, new_id(), answer).await
}

/// The routes are those of the OpenAPI document, and a test holds the two together.
async fn answer(
    services: &impl Invoke,
    workflow: &impl Workflow,
    letters: &impl Queues,
    edge_breakers: &Control<impl Store + Sync, impl Host + Sync>,
    config: &Config,
    request: Request,
    new_id: impl Fn() -> Uuid,
) -> Result<Answer, Problem> {
    if !request.caller()?.is("operator") {
        return Err(Problem::new(ProblemKind::Forbidden, "this is for operators"));
    }
    let errand = Errand {
        services,
        at: &config.services,
        request: &request,
        deadline: Deadline::after(LIMIT),
    };
    match request.route() {
        ("POST", "/operator/slots") => slots::create(&errand, SlotId(new_id())).await,
        ("GET", "/operator/slots") => slots::list(&errand).await,
        ("GET", "/operator/slots/{slotId}") => slots::read(&errand).await,
        ("POST", "/operator/slots/{slotId}/close") => slots::close(&errand).await,
        ("POST", "/operator/slots/{slotId}/reopen") => slots::reopen(&errand).await,
        ("GET", "/operator/bookings") => bookings::list(&errand).await,
        ("GET", "/operator/bookings/{bookingId}/events") => bookings::history(&errand).await,
        ("GET", "/operator/bookings/{bookingId}/saga") => bookings::saga(&errand, workflow).await,
        ("GET", "/operator/overview") => {
            projections::overview(&errand, letters, &config.queues, edge_breakers).await
        }
        ("GET", "/operator/dead-letters") => {
            queues::letters(&errand, letters, &config.queues).await
        }
        ("POST", "/operator/dead-letters/{queue}/redrive") => {
            queues::redrive(&errand, letters, &config.queues).await
        }
        ("POST", "/operator/services/{service}/republish") => {
            queues::republish(&errand, letters, &config.queues).await
        }
        ("GET", "/operator/circuit-breakers") => breakers::list(&errand, edge_breakers).await,
        ("POST", "/operator/circuit-breakers/{name}") => {
            breakers::force(&errand, edge_breakers).await
        }
        ("POST", "/operator/circuit-breakers/{name}/reset") => {
            breakers::reset(&errand, edge_breakers).await
        }
        ("GET", "/operator/projections/{name}") => projections::read(&errand).await,
        ("POST", "/operator/projections/{name}/rebuild") => projections::rebuild(&errand).await,
        ("POST", "/operator/projections/{name}/rollback") => projections::roll_back(&errand).await,
        _ => Err(Problem::not_found("there is no such route")),
    }
}
