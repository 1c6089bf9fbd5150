//! The scenarios, each told once for both sagas.

use std::pin::Pin;
use std::time::Duration;

use billing::contract::public;
use contracts::billing::BillStatus;
use contracts::booking::{BookingStatus, FailureReason};
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::money::Money;
use parking::domain::SlotState;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Saga, ended};
use crate::functions::total;
use crate::laws::held;
use crate::workload::{self, Ask, Client};
use crate::world::World;

/// Longer than any bill is given, and any saga.
const ENDS_WITHIN: Duration = Duration::from_secs(900);

/// How a booking ended, and after how long.
pub(super) type End = (String, Duration);

/// Something that may happen to a booking.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) play: for<'a> fn(&'a Stage<'a>) -> Pin<Box<dyn Future<Output = End> + 'a>>,
}

pub(super) const SCENARIOS: [Scenario; 8] = [
    Scenario { name: "happy", play: |it| Box::pin(happy(it)) },
    Scenario { name: "slot taken", play: |it| Box::pin(slot_taken(it)) },
    Scenario { name: "declined", play: |it| Box::pin(declined(it)) },
    Scenario { name: "provider down", play: |it| Box::pin(provider_down(it)) },
    Scenario { name: "time-out", play: |it| Box::pin(time_out(it)) },
    Scenario { name: "cancel race", play: |it| Box::pin(cancel_race(it)) },
    Scenario { name: "duplicate request", play: |it| Box::pin(duplicate_request(it)) },
    Scenario { name: "late event", play: |it| Box::pin(late_event(it)) },
];

/// A world with one free slot, and the saga under test.
pub(super) struct Stage<'a> {
    world: &'a World,
    saga: Saga,
    slot_id: SlotId,
}

/// What must be true of a booking that is over.
struct Expected {
    status: BookingStatus,
    reason: Option<FailureReason>,
    /// Whether its slot is its own.
    has_slot: bool,
    /// What the provider has kept for it.
    kept: Money,
}

const COMPLETED: fn() -> Expected =
    || Expected { status: BookingStatus::Completed, reason: None, has_slot: true, kept: total() };

fn failed(reason: FailureReason) -> Expected {
    let status = BookingStatus::Failed;
    Expected { status, reason: Some(reason), has_slot: false, kept: Money::ZERO }
}

/// Everybody is served, and nothing goes wrong.
async fn happy(stage: &Stage<'_>) -> End {
    let began = Instant::now();
    let booking = stage.book("ann", "tok_visa").await;
    stage.ends(booking, began, &COMPLETED()).await
}

/// Another has the slot already; what was paid comes back.
async fn slot_taken(stage: &Stage<'_>) -> End {
    let first = stage.book("ann", "tok_visa").await;
    stage.ends(first, Instant::now(), &COMPLETED()).await;
    stage.world.comes_to_rest(ENDS_WITHIN).await;
    stage.world.forget_counts();
    let began = Instant::now();
    let booking = stage.book("bob", "tok_visa").await;
    let end = stage.ends(booking, began, &failed(FailureReason::SlotUnavailable)).await;
    stage.is_still(first, &COMPLETED());
    end
}

/// The card is refused. Whoever pays an invoice may try another card until it is due, and here does not.
async fn declined(stage: &Stage<'_>) -> End {
    let began = Instant::now();
    let booking = stage.book("ann", "tok_declined").await;
    let reason = stage.either(FailureReason::PaymentDeclined, FailureReason::PaymentOverdue);
    stage.ends(booking, began, &failed(reason)).await
}

/// The provider does not answer. Whoever pays an invoice hears so, and may try again until it is due.
async fn provider_down(stage: &Stage<'_>) -> End {
    let began = Instant::now();
    let booking = stage.book("ann", "tok_down").await;
    let reason = stage.either(FailureReason::PaymentUnavailable, FailureReason::PaymentOverdue);
    stage.ends(booking, began, &failed(reason)).await
}

/// The provider takes the money, and its answer never comes: it is asked again, and has charged once.
async fn time_out(stage: &Stage<'_>) -> End {
    let began = Instant::now();
    let booking = stage.book("ann", "tok_timeout").await;
    stage.ends(booking, began, &COMPLETED()).await
}

/// The customer thinks better of it while the saga is at work.
async fn cancel_race(stage: &Stage<'_>) -> End {
    let began = Instant::now();
    let booking = stage.wish("ann", "tok_visa", "wish").await;
    let pays = stage.pays("ann", booking, "tok_visa");
    let cancels = async {
        sleep(Duration::from_millis(100)).await;
        let ask = Ask::new("POST", "/mobile/bookings/{bookingId}/cancel");
        stage.client("ann").send(&ask.with("bookingId", booking)).await
    };
    let ((), heard) = tokio::join!(pays, cancels);
    let heard = heard.map(|it| it.status);
    stage.world.laws.hold(heard == Some(202), || format!("the cancelling is answered {heard:?}"));
    let cancelled = Expected {
        status: BookingStatus::Cancelled,
        reason: None,
        has_slot: false,
        kept: Money::ZERO,
    };
    stage.ends(booking, began, &cancelled).await
}

/// Every request comes twice at once.
async fn duplicate_request(stage: &Stage<'_>) -> End {
    let began = Instant::now();
    let (booking, again) =
        tokio::join!(stage.wish("ann", "tok_visa", "wish"), stage.wish("ann", "tok_visa", "wish"));
    stage.world.laws.hold(booking == again, || format!("one wish led to {booking} and {again}"));
    tokio::join!(stage.pays("ann", booking, "tok_visa"), stage.pays("ann", booking, "tok_visa"));
    let end = stage.ends(booking, began, &COMPLETED()).await;
    let bookings = stage.world.laws.bookings().len();
    stage.world.laws.hold(bookings == 1, || format!("there are {bookings} bookings"));
    end
}

/// All that has happened is told once more, when all is over.
async fn late_event(stage: &Stage<'_>) -> End {
    let began = Instant::now();
    let booking = stage.book("ann", "tok_visa").await;
    let end = stage.ends(booking, began, &COMPLETED()).await;
    stage.world.comes_to_rest(ENDS_WITHIN).await;
    workload::republish_all(stage.world).await;
    stage.world.comes_to_rest(ENDS_WITHIN).await;
    stage.is_still(booking, &COMPLETED());
    end
}

impl<'a> Stage<'a> {
    pub(super) async fn set(world: &'a World, saga: Saga) -> Self {
        let slots = workload::open(world).await;
        let slot_id = *slots.first().expect("a calm day has its slots");
        world.comes_to_rest(ENDS_WITHIN).await;
        Self { world, saga, slot_id }
    }

    fn either<T>(&self, orchestrated: T, choreographed: T) -> T {
        match self.saga {
            Saga::Orchestrated => orchestrated,
            Saga::Choreographed => choreographed,
        }
    }

    fn client(&self, who: &str) -> Client<'a> {
        Client::new(self.world, who, "customer")
    }

    /// Books and pays; the next one before it has come to an end.
    async fn book(&self, who: &str, card: &str) -> BookingId {
        let booking = self.wish(who, card, who).await;
        self.pays(who, booking, card).await;
        booking
    }

    /// RepublishQueue for the slot.
    async fn wish(&self, who: &str, card: &str, key: &str) -> BookingId {
        let payment =
            self.either(json!({ "mode": "instant", "token": card }), json!({ "mode": "invoice" }));
        let ask = Ask::new("POST", "/mobile/bookings").key(key);
        let ask = ask.body(json!({ "slotId": self.slot_id, "payment": payment }));
        let heard = self.client(who).send(&ask).await.expect("a calm day has its answers");
        self.world.laws.hold(heard.status == 202, || format!("a wish is answered {}", heard.body));
        let booking = heard.body["bookingId"].as_str().and_then(|it| it.parse().ok());
        booking.expect("a wish that is accepted has a name")
    }

    /// Pays as soon as there is a bill, if the saga leaves it to the customer.
    async fn pays(&self, who: &str, booking_id: BookingId, card: &str) {
        if self.saga == Saga::Orchestrated {
            return;
        }
        let reference = BillReference { slot_id: self.slot_id, booking_id };
        let until = Instant::now() + ENDS_WITHIN;
        loop {
            let bills = self.world.bills.all();
            let bill = bills.get(&reference.to_string());
            let status = bill.and_then(|(version, it)| public(it, *version)).map(|it| it.status);
            match status {
                Some(BillStatus::Pending) => break,
                // It was cancelled before there was one.
                Some(_) => return,
                None if Instant::now() > until => return,
                None => sleep(Duration::from_millis(1)).await,
            }
        }
        let ask = Ask::new("POST", "/mobile/bills/{reference}/payments");
        let ask = ask.with("reference", reference).key(&format!("payment-{booking_id}"));
        let ask = ask.body(json!({ "amount": total(), "token": card }));
        let heard = self.client(who).send(&ask).await.map(|it| it.status);
        let is_right = match card {
            "tok_declined" => heard == Some(402),
            "tok_down" => heard == Some(503),
            _ => matches!(heard, Some(201 | 409)),
        };
        self.world.laws.hold(is_right, || format!("a payment by {card} is answered {heard:?}"));
    }

    /// Waits until a booking is over, and holds it against what must come of it.
    async fn ends(&self, booking: BookingId, began: Instant, expected: &Expected) -> End {
        let until = Instant::now() + ENDS_WITHIN;
        let end = loop {
            let status = self.standing(booking);
            if let Some((status, reason)) = status
                && status != BookingStatus::Pending
            {
                break (ended(status, reason), began.elapsed());
            }
            if Instant::now() > until {
                self.world.laws.broken(format!("booking {booking} does not end: {status:?}"));
                break ("never".to_owned(), began.elapsed());
            }
            sleep(Duration::from_millis(1)).await;
        };
        // The slot and the money of a booking that was cancelled follow it.
        self.world.comes_to_rest(ENDS_WITHIN).await;
        self.is_still(booking, expected);
        end
    }

    fn standing(&self, booking: BookingId) -> Option<(BookingStatus, Option<FailureReason>)> {
        let bookings = self.world.laws.bookings();
        let booking = bookings.get(&booking)?;
        Some((booking.known()?.1, booking.reason()))
    }

    fn is_still(&self, booking_id: BookingId, expected: &Expected) {
        let Expected { status, reason, has_slot, kept } = expected;
        let laws = &self.world.laws;
        let standing = self.standing(booking_id);
        laws.hold(standing == Some((*status, *reason)), || {
            format!("booking {booking_id} is {standing:?}, and not {status:?} {reason:?}")
        });
        let slots = self.world.slots.all();
        let standing = slots.get(&self.slot_id.to_string()).map(|(_, it)| &it.state);
        let holder = match standing {
            Some(SlotState::Reserved { booking_id } | SlotState::Blocked { booking_id }) => {
                Some(*booking_id)
            }
            _ => None,
        };
        laws.hold((holder == Some(booking_id)) == *has_slot, || {
            format!("booking {booking_id}: the slot is {standing:?}")
        });
        let there = held(self.world, self.slot_id, booking_id);
        laws.hold(there == *kept, || format!("booking {booking_id}: {there} is kept"));
    }
}
