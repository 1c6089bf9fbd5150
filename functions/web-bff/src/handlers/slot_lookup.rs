//! Slots by their ids, as the pages of slots and of bookings read them.

use std::collections::BTreeSet;

use bff::invoke::Deadline;
use contracts::booking::Booking;
use contracts::id::SlotId;
use contracts::parking::{Query as ParkingQuery, Slot};
use service_error::ServiceError;

use super::RequestContext;
use crate::views::bookings::SlotNames;

/// One slot.
pub(super) async fn slot(context: &RequestContext, slot_id: SlotId) -> Result<Slot, ServiceError> {
    let query = ParkingQuery::Slot { slot_id, min_version: None };
    context.invoke(&context.functions().parking_query, query, context.deadline).await
}

/// The names of these bookings' slots. A slot never changes its name, so a cached response is as good.
pub(super) async fn slot_names(
    context: &RequestContext,
    bookings: &[Booking],
    until: Deadline,
) -> Result<SlotNames, ServiceError> {
    let cache = &context.cache().slots;
    let mut names = SlotNames::new();
    let mut unknown = BTreeSet::new();
    for slot_id in bookings.iter().map(|it| it.slot_id) {
        match cache.last(&slot_id, context.now) {
            Some(slot) => drop(names.insert(slot_id, slot.value.name)),
            None => drop(unknown.insert(slot_id)),
        }
    }
    if !unknown.is_empty() {
        let query = ParkingQuery::SlotsById { slot_ids: unknown.into_iter().collect() };
        let found: Vec<Slot> =
            context.invoke(&context.functions().parking_query, query, until).await?;
        names.extend(found.into_iter().map(|it| (it.slot_id, it.name)));
    }
    Ok(names)
}
