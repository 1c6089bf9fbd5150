//! Simulated customers: they book a slot, pay, cancel, check out, and repeat requests.

use std::time::Duration;

use contracts::booking::BookingStatus;
use contracts::id::{BookingId, SlotId};
use serde_json::json;
use tokio::time::sleep;

use super::{ApiRequest, ApiResponse, Client};
use crate::world::World;

/// Few, so that each has several bookings.
const NAMES: [&str; 3] = ["ann", "bob", "eve"];
/// Cards that do not work, or not at the first attempt.
const BAD_CARDS: [&str; 6] =
    ["tok_declined", "tok_insufficient_funds", "tok_slow", "tok_timeout", "tok_flaky", "tok_down"];

/// One booking of a customer.
struct Visit<'a> {
    client: Client<'a>,
    slot_id: SlotId,
    number: u64,
    token: &'static str,
    is_instant: bool,
}

pub(super) async fn run(world: &World, slots: &[SlotId], number: u64) {
    if slots.is_empty() {
        return;
    }
    let rng = &world.rng;
    let arrival = rng.below(u64::try_from(world.plan.arrivals.as_millis()).unwrap_or(0));
    let visit = Visit {
        client: Client { world, subject: (*rng.one_of(&NAMES)).to_owned(), role: "customer" },
        slot_id: *rng.one_of(slots),
        number,
        token: card(world),
        is_instant: rng.per_mille(world.plan.instant),
    };
    sleep(Duration::from_millis(arrival)).await;
    let Some(booking_id) = visit.book().await else { return };
    // Each action at a random time, so that actions race with each other and with the saga at every step.
    let cancels = rng.per_mille(world.plan.cancels);
    let checks_out = rng.per_mille(300);
    tokio::join!(
        async {
            if !visit.is_instant {
                visit.pay(booking_id).await;
            }
        },
        async {
            if cancels {
                sleep(rng.millis(0..=*rng.one_of(&[200, 3_000, 60_000]))).await;
                visit.end_booking(booking_id, "cancel", "cancelled").await;
            }
        },
        async {
            if checks_out {
                sleep(rng.millis(0..=60_000)).await;
                visit.end_booking(booking_id, "check-out", "checked_out").await;
            }
        },
        visit.watch(booking_id),
    );
}

/// Cancels all bookings that are still pending.
pub(crate) async fn cancel_pending(world: &World) {
    for (booking_id, booking) in world.invariants.bookings() {
        let Some((details, BookingStatus::Pending)) = booking.known() else { continue };
        let client = Client { world, subject: details.customer.0.clone(), role: "customer" };
        let request = ApiRequest::new("POST", "/mobile/bookings/{bookingId}/cancel");
        let request = request.with("bookingId", booking_id);
        if let Some(response) = client.send_until_decided(&request).await
            && response.status != 202
        {
            client.wrong(&request, &response);
        }
    }
}

fn card(world: &World) -> &'static str {
    if world.rng.per_mille(world.plan.good_cards) {
        "tok_visa"
    } else {
        BAD_CARDS[world.rng.index(BAD_CARDS.len())]
    }
}

impl Visit<'_> {
    fn world(&self) -> &World {
        self.client.world
    }

    fn booking_request(&self, slot_id: SlotId) -> ApiRequest {
        let payment = if self.is_instant {
            json!({ "mode": "instant", "token": self.token })
        } else {
            json!({ "mode": "invoice" })
        };
        ApiRequest::new("POST", "/mobile/bookings")
            .key(&format!("booking-{}", self.number))
            .body(json!({ "slotId": slot_id, "payment": payment }))
    }

    async fn book(&self) -> Option<BookingId> {
        let booking_request = self.booking_request(self.slot_id);
        let response = if self.world().rng.per_mille(self.world().plan.repeats) {
            let (first, second) = tokio::join!(
                self.client.send_until_decided(&booking_request),
                self.client.send_until_decided(&booking_request)
            );
            let (first, second) = (first?, second?);
            self.world().invariants.check(
                first.body["bookingId"] == second.body["bookingId"],
                || {
                    format!(
                        "one idempotency key led to bookings {} and {}",
                        first.body, second.body
                    )
                },
            );
            let other = self.booking_request(SlotId(self.world().new_id()));
            let rejected = self.client.send_until_decided(&other).await?;
            if rejected.status != 422 {
                self.client.wrong(&other, &rejected);
            }
            first
        } else {
            self.client.send_until_decided(&booking_request).await?
        };
        if response.status != 202 {
            self.client.wrong(&booking_request, &response);
            return None;
        }
        let booking_id: BookingId = response.body["bookingId"].as_str()?.parse().ok()?;
        let version = response.body["version"].as_u64()?;
        self.read(booking_id, Some(version)).await;
        Some(booking_id)
    }

    /// Reads the booking once, and records the status shown.
    async fn read(&self, booking_id: BookingId, min_version: Option<u64>) -> Option<BookingStatus> {
        let mut request =
            ApiRequest::new("GET", "/mobile/bookings/{bookingId}").with("bookingId", booking_id);
        if let Some(version) = min_version {
            request = request.query("minVersion", version);
        }
        let response = self.client.send(&request).await?;
        match response.status {
            200 => {
                let version = response.body["version"].as_u64().unwrap_or(0);
                if version < min_version.unwrap_or(0) {
                    self.client.wrong(&request, &response);
                }
                let status = serde_json::from_value(response.body["status"].clone()).ok()?;
                self.world().invariants.seen(booking_id, status);
                Some(status)
            }
            503 => None,
            // The view may lag behind a booking that was just created.
            404 if min_version.is_none() => None,
            _ => {
                self.client.wrong(&request, &response);
                None
            }
        }
    }

    async fn watch(&self, booking_id: BookingId) {
        for _ in 0..self.world().rng.below(6) {
            sleep(self.world().rng.millis(50..=20_000)).await;
            self.read(booking_id, None).await;
        }
    }

    async fn pay(&self, booking_id: BookingId) {
        let rng = &self.world().rng;
        let parts: &[&str] = match rng.below(8) {
            0..=2 => &["100.00"],
            3 => &["40.00", "60.00"],
            4 => &["0.01", "99.98", "0.01"],
            5 => &["30.00"],
            6 => &["60.00", "60.00"],
            _ => &[],
        };
        let reference = format!("{}:{booking_id}", self.slot_id);
        for (number, amount) in parts.iter().enumerate() {
            let due_ms = u64::try_from(self.world().plan.bill_due.as_millis()).unwrap_or(0);
            // Mostly immediately, sometimes just before or after the bill expires.
            let wait = if rng.below(3) == 0 { rng.below(due_ms + 5_000) } else { rng.below(2_000) };
            sleep(Duration::from_millis(wait)).await;
            let token = card(self.world());
            let request = ApiRequest::new("POST", "/mobile/bills/{reference}/payments")
                .with("reference", &reference)
                .key(&format!("payment-{booking_id}-{number}"))
                .body(json!({ "amount": amount, "token": token }));
            let response = if token == "tok_down" {
                // This token never gets a response.
                drop(self.client.send(&request).await);
                return;
            } else if rng.per_mille(self.world().plan.repeats) {
                let (first, second) = tokio::join!(
                    self.client.send_until_decided(&request),
                    self.client.send_until_decided(&request)
                );
                first.or(second)
            } else {
                self.client.send_until_decided(&request).await
            };
            let Some(response) = response else { return };
            match response.status {
                201 | 402 => {}
                // There is no bill yet, or it can no longer be paid.
                404 | 409 => return,
                _ => return self.client.wrong(&request, &response),
            }
        }
    }

    /// Cancels or checks out.
    async fn end_booking(&self, booking_id: BookingId, how: &str, becomes: &str) {
        let resource = match how {
            "cancel" => "/mobile/bookings/{bookingId}/cancel",
            _ => "/mobile/bookings/{bookingId}/check-out",
        };
        let request = ApiRequest::new("POST", resource).with("bookingId", booking_id);
        let Some(response) = self.client.send_until_decided(&request).await else { return };
        match &response {
            ApiResponse { status: 202, body } if body["status"] == becomes => {
                if let Ok(status) = serde_json::from_value(body["status"].clone()) {
                    self.world().invariants.seen(booking_id, status);
                }
                self.read(booking_id, body["version"].as_u64()).await;
            }
            ApiResponse { status: 409, .. } => {}
            _ => self.client.wrong(&request, &response),
        }
    }
}
