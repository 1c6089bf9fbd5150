//! Projections: how they fare, made anew, and put back; and what they hold, at one glance.

use std::str::FromStr;

use bff::compose::Composition;
use bff::invoke::{Invoke, ask, start};
use bff::{Answer, Problem};
use circuit_breaker::breaker::Environment;
use circuit_breaker::control::Control;
use circuit_breaker::store::Store;
use contracts::message::Request;
use contracts::projection::{Command, Overview, Projection};
use contracts::{booking, parking};
use futures::future::try_join_all;
use service_error::ServiceError;

use super::queues::QUEUE_LIMIT;
use super::{Errand, breakers};
use crate::config::Services;
use crate::queues::{Queues, Watched};
use crate::shape::{OverviewShown, ProjectionShown, QueueShown, RollBack};

/// A projection, by its name.
#[derive(Clone, Copy)]
pub(super) enum Named {
    Bookings,
    Slots,
}

impl FromStr for Named {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "bookings" => Ok(Self::Bookings),
            "slots" => Ok(Self::Slots),
            _ => Err(()),
        }
    }
}

impl Named {
    fn rebuild(self, services: &Services) -> &str {
        match self {
            Self::Bookings => &services.booking_rebuild,
            Self::Slots => &services.parking_rebuild,
        }
    }

    fn shown(self, projection: Projection) -> ProjectionShown {
        let name = match self {
            Self::Bookings => "bookings",
            Self::Slots => "slots",
        };
        ProjectionShown { name, projection }
    }
}

/// `GET /operator/projections/{name}`.
pub(super) async fn read(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let named: Named = errand.request.path("name")?;
    errand.request.query(&[])?;
    Ok(Answer::json(200, &fares(errand, named).await?))
}

/// How a projection fares.
pub(super) async fn fares(
    errand: &Errand<'_, impl Invoke>,
    named: Named,
) -> Result<ProjectionShown, ServiceError> {
    let (services, deadline) = (errand.services, errand.deadline);
    let projection = match named {
        Named::Bookings => {
            let question = Request::from(booking::Query::Projection {});
            ask(services, &errand.at.booking_query, &question, deadline).await?
        }
        Named::Slots => {
            let question = Request::from(parking::Query::Projection {});
            ask(services, &errand.at.parking_query, &question, deadline).await?
        }
    };
    Ok(named.shown(projection))
}

/// `POST /operator/projections/{name}/rebuild`.
pub(super) async fn rebuild(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let named: Named = errand.request.path("name")?;
    errand.request.query(&[])?;
    errand.request.no_body()?;
    Ok(Answer::json(202, &begin(errand, named).await?))
}

/// Begins to make a projection anew, or takes up a rebuild that was given up.
pub(super) async fn begin(
    errand: &Errand<'_, impl Invoke>,
    named: Named,
) -> Result<ProjectionShown, ServiceError> {
    let function = named.rebuild(errand.at);
    let begun = Command::BeginRebuild {};
    let projection = ask(errand.services, function, &begun, errand.deadline).await?;
    // Also if it was begun by somebody else, who may not have come to this. One worker works, whoever is called.
    start(errand.services, function, &Command::WorkOnRebuild {}, errand.deadline).await?;
    Ok(named.shown(projection))
}

/// `POST /operator/projections/{name}/rollback`.
pub(super) async fn roll_back(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let named: Named = errand.request.path("name")?;
    errand.request.query(&[])?;
    let RollBack { generation } = errand.request.body()?;
    Ok(Answer::json(200, &point_back(errand, named, generation).await?))
}

/// Makes an earlier generation of a projection live again.
pub(super) async fn point_back(
    errand: &Errand<'_, impl Invoke>,
    named: Named,
    generation: u64,
) -> Result<ProjectionShown, ServiceError> {
    let command = Command::RollBack { generation };
    let projection =
        ask(errand.services, named.rebuild(errand.at), &command, errand.deadline).await?;
    Ok(named.shown(projection))
}

/// `GET /operator/overview`.
pub(super) async fn overview(
    errand: &Errand<'_, impl Invoke>,
    queues: &impl Queues,
    watched: &[Watched],
    edge_breakers: &Control<impl Store + Sync, impl Environment + Sync>,
) -> Result<Answer, Problem> {
    errand.request.query(&[])?;
    let composition = Composition::partial(errand.deadline);
    let (bookings, slots, depths, breakers) = tokio::try_join!(
        composition.required("bookings", held(errand, Named::Bookings)),
        composition.required("slots", held(errand, Named::Slots)),
        composition.optional_within("queues", QUEUE_LIMIT, depths(queues, watched)),
        Box::pin(breakers::all(errand, edge_breakers, &composition)),
    )?;
    let shown = OverviewShown::new(bookings, slots, depths, breakers, composition.report());
    Ok(Answer::json(200, &shown).timed(&composition))
}

/// What a projection holds.
pub(super) async fn held(
    errand: &Errand<'_, impl Invoke>,
    named: Named,
) -> Result<Overview, ServiceError> {
    let (services, at, deadline) = (errand.services, errand.at, errand.deadline);
    match named {
        Named::Bookings => {
            let question = Request::from(booking::Query::Overview {});
            ask(services, &at.booking_query, &question, deadline).await
        }
        Named::Slots => {
            let question = Request::from(parking::Query::Overview {});
            ask(services, &at.parking_query, &question, deadline).await
        }
    }
}

/// About how much is in every queue.
pub(super) async fn depths(
    queues: &impl Queues,
    watched: &[Watched],
) -> Result<Vec<QueueShown>, ServiceError> {
    let depths = watched
        .iter()
        .map(async |queue| queues.depth(queue).await.map(|depth| QueueShown::new(queue, depth)));
    try_join_all(depths).await
}
