//! Services that publish events: their events, published again.

use std::str::FromStr;

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use bff::Problem;
use bff::web::{NoParameters, PathParameter, StrictJson, StrictQuery};
use outbox::republish::{Republish, Selection};
use service_error::ServiceError;

use super::dead_letters::{find_queue, within_timeout};
use super::{ApiContext, App};
use crate::dto::{RepublishRequest, Republished};

pub(super) fn api_routes() -> Router<App> {
    Router::new().route("/operator/services/{service}/republish", post(republish))
}

/// A service that publishes.
#[derive(Clone, Copy)]
enum Publisher {
    Booking,
    Parking,
    Billing,
}

impl FromStr for Publisher {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "booking" => Ok(Self::Booking),
            "parking" => Ok(Self::Parking),
            "billing" => Ok(Self::Billing),
            _ => Err(()),
        }
    }
}

/// `POST /operator/services/{service}/republish`.
async fn republish(
    ApiContext(context): ApiContext,
    PathParameter(publisher): PathParameter<Publisher>,
    _: StrictQuery<NoParameters>,
    StrictJson(request): StrictJson<RepublishRequest>,
) -> Result<(StatusCode, Json<Republished>), Problem> {
    let republish = selection(request)?;
    let (service, queue) = match publisher {
        Publisher::Booking => ("booking", "booking-publish"),
        Publisher::Parking => ("parking", "parking-publish"),
        Publisher::Billing => ("billing", "billing-publish"),
    };
    let message = serde_json::to_string(&Republish { republish });
    let message = message.map_err(ServiceError::permanent)?;
    let queue = find_queue(&context, queue)?;
    within_timeout(context.queues().send(queue, message)).await?;
    Ok((StatusCode::ACCEPTED, Json(Republished { service })))
}

fn selection(request: RepublishRequest) -> Result<Selection, Problem> {
    match request {
        RepublishRequest { aggregate: Some(aggregate), from: None, until: None } => {
            if !(1..=100).contains(&aggregate.len()) {
                return Err(Problem::validation("aggregate must be 1 to 100 characters"));
            }
            Ok(Selection::Aggregate { aggregate })
        }
        RepublishRequest { aggregate: None, from: Some(from), until: Some(until) } => {
            if from >= until {
                return Err(Problem::validation("from must be before until"));
            }
            Ok(Selection::TimeRange { from, until, after: None })
        }
        RepublishRequest { .. } => {
            Err(Problem::validation("send either aggregate, or from and until"))
        }
    }
}
