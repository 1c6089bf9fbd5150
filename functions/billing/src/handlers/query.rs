//! `billing-query`: reads the view.

use contracts::billing::{Bill, Query};
use contracts::message::Request;
use cqrs::view::View;
use function::handle_request;
use service_error::ServiceError;
use trace_context::correlate;

use crate::view::BillRow;

/// Executes one query.
///
/// # Errors
///
/// `Rejected` if the view does not contain the bill; `Transient` if the view can't be read.
pub async fn handle(
    view: &impl View<BillRow>,
    request: Request<Query>,
) -> Result<Bill, ServiceError> {
    let Request { payload: query, cause, correlation_id, trace } = request;
    handle_request("billing-query", &trace, correlation_id, cause, run(view, query)).await
}

async fn run(view: &impl View<BillRow>, query: Query) -> Result<Bill, ServiceError> {
    let Query::Bill { reference } = query;
    correlate(reference.booking_id);
    match view.get(&reference.to_string()).await {
        Ok(Some(found)) => Ok(found.row.0),
        Ok(None) => Err(ServiceError::rejected("not-found", "bill does not exist")),
        Err(error) => {
            tracing::error!(%reference, error = &error as &dyn std::error::Error, "view can't be read");
            Err(error.into())
        }
    }
}
