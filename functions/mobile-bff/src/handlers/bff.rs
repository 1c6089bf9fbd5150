//! `mobile-bff`: one request of a customer's.

use api_gateway::proxy::{ProxyAnswer, ProxyEvent};
use bff::invoke::{Deadline, Invoke};
use bff::{Answer, Edge, Problem, ProblemKind, Request};
use uuid::Uuid;

use super::{Errand, LIMIT, bills, bookings, slots};
use crate::config::Config;
use crate::shape::HealthShown;

/// Where the slugs of problems are explained.
const PROBLEMS: &str = "https://parkade.dev/problems/";

/// Answers one event of the gateway, whatever it holds.
pub async fn handle(
    services: &impl Invoke,
    config: &Config,
    event: ProxyEvent,
    new_id: impl Fn() -> Uuid,
) -> ProxyAnswer {
    let edge = Edge { problems: PROBLEMS, origins: config.origins.clone() };
    edge.serve(event, new_id(), |request| answer(services, config, request)).await
}

/// The routes are those of the OpenAPI document, and a test holds the two together.
async fn answer(
    services: &impl Invoke,
    config: &Config,
    request: Request,
) -> Result<Answer, Problem> {
    if request.route() == ("GET", "/health") {
        let health = HealthShown { status: "ok", version: env!("CARGO_PKG_VERSION") };
        return Ok(Answer::json(200, &health));
    }
    let caller = request.caller()?;
    if !caller.is("customer") {
        return Err(Problem::new(ProblemKind::Forbidden, "this is for customers"));
    }
    let errand = Errand {
        services,
        at: &config.services,
        request: &request,
        caller,
        deadline: Deadline::after(LIMIT),
    };
    match request.route() {
        ("GET", "/mobile/slots") => slots::list(&errand).await,
        ("POST", "/mobile/bookings") => bookings::create(&errand).await,
        ("GET", "/mobile/bookings") => bookings::list(&errand).await,
        ("GET", "/mobile/bookings/{bookingId}") => bookings::read(&errand).await,
        ("POST", "/mobile/bookings/{bookingId}/cancel") => bookings::cancel(&errand).await,
        ("POST", "/mobile/bookings/{bookingId}/check-out") => bookings::check_out(&errand).await,
        ("POST", "/mobile/bills/{reference}/payments") => bills::pay(&errand).await,
        _ => Err(Problem::not_found("there is no such route")),
    }
}
