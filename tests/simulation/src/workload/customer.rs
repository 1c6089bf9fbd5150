//! A customer: books a slot, pays for it, thinks better of it, leaves it, and asks twice.

use std::time::Duration;

use contracts::booking::BookingStatus;
use contracts::id::{BookingId, SlotId};
use serde_json::json;
use tokio::time::sleep;

use super::{Ask, Client, Heard};
use crate::world::World;

/// Few, so that they have several bookings each.
const NAMES: [&str; 3] = ["ann", "bob", "eve"];
/// Cards that do not work, or not at once.
const BAD_CARDS: [&str; 6] =
    ["tok_declined", "tok_insufficient_funds", "tok_slow", "tok_timeout", "tok_flaky", "tok_down"];

/// One wish, and what is to become of it.
struct Visit<'a> {
    client: Client<'a>,
    slot_id: SlotId,
    number: u64,
    token: &'static str,
    is_instant: bool,
}

pub(super) async fn come(world: &World, slots: &[SlotId], number: u64) {
    if slots.is_empty() {
        return;
    }
    let dice = &world.dice;
    let arrival = dice.below(u64::try_from(world.plan.arrivals.as_millis()).unwrap_or(0));
    let visit = Visit {
        client: Client { world, subject: (*dice.one_of(&NAMES)).to_owned(), role: "customer" },
        slot_id: *dice.one_of(slots),
        number,
        token: card(world),
        is_instant: dice.per_mille(world.plan.instant),
    };
    sleep(Duration::from_millis(arrival)).await;
    let Some(booking_id) = visit.book().await else { return };
    // Each at a time of its own: they meet each other and the saga at every step.
    let cancels = dice.per_mille(world.plan.cancels);
    let leaves = dice.per_mille(300);
    tokio::join!(
        async {
            if !visit.is_instant {
                visit.pay(booking_id).await;
            }
        },
        async {
            if cancels {
                sleep(dice.millis(0..=*dice.one_of(&[200, 3_000, 60_000]))).await;
                visit.give_up(booking_id, "cancel", "cancelled").await;
            }
        },
        async {
            if leaves {
                sleep(dice.millis(0..=60_000)).await;
                visit.give_up(booking_id, "check-out", "checked_out").await;
            }
        },
        visit.watch(booking_id),
    );
}

/// Everybody gives up what is still pending.
pub(crate) async fn cancel_pending(world: &World) {
    for (booking_id, booking) in world.laws.bookings() {
        let Some((details, BookingStatus::Pending)) = booking.known() else { continue };
        let client = Client { world, subject: details.customer.0.clone(), role: "customer" };
        let ask = Ask::new("POST", "/mobile/bookings/{bookingId}/cancel");
        let ask = ask.with("bookingId", booking_id);
        if let Some(heard) = client.insist(&ask).await
            && heard.status != 202
        {
            client.wrong(&ask, &heard);
        }
    }
}

fn card(world: &World) -> &'static str {
    if world.dice.per_mille(world.plan.good_cards) {
        "tok_visa"
    } else {
        BAD_CARDS[world.dice.place(BAD_CARDS.len())]
    }
}

impl Visit<'_> {
    fn world(&self) -> &World {
        self.client.world
    }

    fn wish(&self, slot_id: SlotId) -> Ask {
        let payment = if self.is_instant {
            json!({ "mode": "instant", "token": self.token })
        } else {
            json!({ "mode": "invoice" })
        };
        Ask::new("POST", "/mobile/bookings")
            .key(&format!("booking-{}", self.number))
            .body(json!({ "slotId": slot_id, "payment": payment }))
    }

    async fn book(&self) -> Option<BookingId> {
        let wish = self.wish(self.slot_id);
        let heard = if self.world().dice.per_mille(self.world().plan.repeats) {
            let (first, second) =
                tokio::join!(self.client.insist(&wish), self.client.insist(&wish));
            let (first, second) = (first?, second?);
            self.world().laws.hold(first.body["bookingId"] == second.body["bookingId"], || {
                format!("one wish led to {} and {}", first.body, second.body)
            });
            let other = self.wish(SlotId(self.world().new_id()));
            let refused = self.client.insist(&other).await?;
            if refused.status != 422 {
                self.client.wrong(&other, &refused);
            }
            first
        } else {
            self.client.insist(&wish).await?
        };
        if heard.status != 202 {
            self.client.wrong(&wish, &heard);
            return None;
        }
        let booking_id: BookingId = heard.body["bookingId"].as_str()?.parse().ok()?;
        let version = heard.body["version"].as_u64()?;
        self.read(booking_id, Some(version)).await;
        Some(booking_id)
    }

    /// Reads the booking once, and knows what it was.
    async fn read(&self, booking_id: BookingId, min_version: Option<u64>) -> Option<BookingStatus> {
        let mut ask = Ask::new("GET", "/mobile/bookings/{bookingId}").with("bookingId", booking_id);
        if let Some(version) = min_version {
            ask = ask.query("minVersion", version);
        }
        let heard = self.client.send(&ask).await?;
        match heard.status {
            200 => {
                let version = heard.body["version"].as_u64().unwrap_or(0);
                if version < min_version.unwrap_or(0) {
                    self.client.wrong(&ask, &heard);
                }
                let status = serde_json::from_value(heard.body["status"].clone()).ok()?;
                self.world().laws.seen(booking_id, status);
                Some(status)
            }
            503 => None,
            // The view may be long behind a booking that was only just made.
            404 if min_version.is_none() => None,
            _ => {
                self.client.wrong(&ask, &heard);
                None
            }
        }
    }

    async fn watch(&self, booking_id: BookingId) {
        for _ in 0..self.world().dice.below(6) {
            sleep(self.world().dice.millis(50..=20_000)).await;
            self.read(booking_id, None).await;
        }
    }

    async fn pay(&self, booking_id: BookingId) {
        let dice = &self.world().dice;
        let parts: &[&str] = match dice.below(8) {
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
            // Mostly at once, now and then at the last moment or too late.
            let wait =
                if dice.below(3) == 0 { dice.below(due_ms + 5_000) } else { dice.below(2_000) };
            sleep(Duration::from_millis(wait)).await;
            let token = card(self.world());
            let ask = Ask::new("POST", "/mobile/bills/{reference}/payments")
                .with("reference", &reference)
                .key(&format!("payment-{booking_id}-{number}"))
                .body(json!({ "amount": amount, "token": token }));
            let heard = if token == "tok_down" {
                // Nobody ever gets an answer to that.
                drop(self.client.send(&ask).await);
                return;
            } else if dice.per_mille(self.world().plan.repeats) {
                let (first, second) =
                    tokio::join!(self.client.insist(&ask), self.client.insist(&ask));
                first.or(second)
            } else {
                self.client.insist(&ask).await
            };
            let Some(heard) = heard else { return };
            match heard.status {
                201 | 402 => {}
                // There is no bill yet; or there is none to pay any more.
                404 | 409 => return,
                _ => return self.client.wrong(&ask, &heard),
            }
        }
    }

    /// Cancels or checks out.
    async fn give_up(&self, booking_id: BookingId, how: &str, becomes: &str) {
        let resource = match how {
            "cancel" => "/mobile/bookings/{bookingId}/cancel",
            _ => "/mobile/bookings/{bookingId}/check-out",
        };
        let ask = Ask::new("POST", resource).with("bookingId", booking_id);
        let Some(heard) = self.client.insist(&ask).await else { return };
        match &heard {
            Heard { status: 202, body } if body["status"] == becomes => {
                if let Ok(status) = serde_json::from_value(body["status"].clone()) {
                    self.world().laws.seen(booking_id, status);
                }
                self.read(booking_id, body["version"].as_u64()).await;
            }
            Heard { status: 409, .. } => {}
            _ => self.client.wrong(&ask, &heard),
        }
    }
}
