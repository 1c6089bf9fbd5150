//! Slots to choose from.

use bff::invoke::{Invoke, ask};
use bff::{Answer, Problem};
use contracts::message::{Page, Request};
use contracts::parking::{Query, Slot};

use super::{Errand, page_request};
use crate::shape::{SlotShown, page};

/// `GET /mobile/slots`.
pub(super) async fn list(errand: &Errand<'_, impl Invoke>) -> Result<Answer, Problem> {
    let query = errand.request.query(&["status", "limit", "cursor"])?;
    let question = Request::from(Query::Slots {
        status: query.one_of("status")?,
        page: page_request(query.page()?),
    });
    let found: Page<Slot> =
        ask(errand.services, &errand.at.parking_query, &question, errand.deadline).await?;
    Ok(Answer::json(200, &page::<_, SlotShown>(found)).unless_known(errand.request))
}
