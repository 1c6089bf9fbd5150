//! The scenarios, each written once for both sagas.

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
use crate::invariants::held;
use crate::workload::{self, ApiRequest, Client};
use crate::world::World;

/// Longer than the lifetime of any bill or saga.
const ENDS_WITHIN: Duration = Duration::from_secs(900);

/// The final status of a booking, and the time until it was reached.
pub(super) type End = (String, Duration);

/// A course of events for one booking.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) run: for<'a> fn(&'a Setup<'a>) -> Pin<Box<dyn Future<Output = End> + 'a>>,
}

pub(super) const SCENARIOS: [Scenario; 8] = [
    Scenario { name: "happy", run: |it| Box::pin(happy(it)) },
    Scenario { name: "slot taken", run: |it| Box::pin(slot_taken(it)) },
    Scenario { name: "declined", run: |it| Box::pin(declined(it)) },
    Scenario { name: "provider down", run: |it| Box::pin(provider_down(it)) },
    Scenario { name: "time-out", run: |it| Box::pin(time_out(it)) },
    Scenario { name: "cancel race", run: |it| Box::pin(cancel_race(it)) },
    Scenario { name: "duplicate request", run: |it| Box::pin(duplicate_request(it)) },
    Scenario { name: "late event", run: |it| Box::pin(late_event(it)) },
];

/// A world with one free slot, and the saga under test.
pub(super) struct Setup<'a> {
    world: &'a World,
    saga: Saga,
    slot_id: SlotId,
}

/// The expected final state of a booking.
struct Expected {
    status: BookingStatus,
    reason: Option<FailureReason>,
    /// Whether it holds its slot.
    has_slot: bool,
    /// The amount that the provider holds for it.
    kept: Money,
}

const COMPLETED: fn() -> Expected =
    || Expected { status: BookingStatus::Completed, reason: None, has_slot: true, kept: total() };

fn failed(reason: FailureReason) -> Expected {
    let status = BookingStatus::Failed;
    Expected { status, reason: Some(reason), has_slot: false, kept: Money::ZERO }
}

/// The booking completes, and nothing fails.
async fn happy(setup: &Setup<'_>) -> End {
    let began = Instant::now();
    let booking = setup.book("ann", "tok_visa").await;
    setup.ends(booking, began, &COMPLETED()).await
}

/// Another booking holds the slot already; the payment is refunded.
async fn slot_taken(setup: &Setup<'_>) -> End {
    let first = setup.book("ann", "tok_visa").await;
    setup.ends(first, Instant::now(), &COMPLETED()).await;
    setup.world.becomes_quiescent(ENDS_WITHIN).await;
    setup.world.reset_counts();
    let began = Instant::now();
    let booking = setup.book("bob", "tok_visa").await;
    let end = setup.ends(booking, began, &failed(FailureReason::SlotUnavailable)).await;
    setup.check(first, &COMPLETED());
    end
}

/// The card is declined. The payer of an invoice could try another card until the bill expires, and does not here.
async fn declined(setup: &Setup<'_>) -> End {
    let began = Instant::now();
    let booking = setup.book("ann", "tok_declined").await;
    let reason = setup.either(FailureReason::PaymentDeclined, FailureReason::PaymentOverdue);
    setup.ends(booking, began, &failed(reason)).await
}

/// The provider does not respond. The payer of an invoice gets an error, and could retry until the bill expires.
async fn provider_down(setup: &Setup<'_>) -> End {
    let began = Instant::now();
    let booking = setup.book("ann", "tok_down").await;
    let reason = setup.either(FailureReason::PaymentUnavailable, FailureReason::PaymentOverdue);
    setup.ends(booking, began, &failed(reason)).await
}

/// The provider takes the money, and its response is lost: the charge is retried, and made once.
async fn time_out(setup: &Setup<'_>) -> End {
    let began = Instant::now();
    let booking = setup.book("ann", "tok_timeout").await;
    setup.ends(booking, began, &COMPLETED()).await
}

/// The customer cancels while the saga is running.
async fn cancel_race(setup: &Setup<'_>) -> End {
    let began = Instant::now();
    let booking = setup.request_booking("ann", "tok_visa", "key").await;
    let pays = setup.pays("ann", booking, "tok_visa");
    let cancels = async {
        sleep(Duration::from_millis(100)).await;
        let request = ApiRequest::new("POST", "/mobile/bookings/{bookingId}/cancel");
        setup.client("ann").send(&request.with("bookingId", booking)).await
    };
    let ((), response) = tokio::join!(pays, cancels);
    let response = response.map(|it| it.status);
    setup.world.invariants.check(response == Some(202), || format!("cancelling got {response:?}"));
    let cancelled = Expected {
        status: BookingStatus::Cancelled,
        reason: None,
        has_slot: false,
        kept: Money::ZERO,
    };
    setup.ends(booking, began, &cancelled).await
}

/// Every request is sent twice concurrently.
async fn duplicate_request(setup: &Setup<'_>) -> End {
    let began = Instant::now();
    let (booking, repeated) = tokio::join!(
        setup.request_booking("ann", "tok_visa", "key"),
        setup.request_booking("ann", "tok_visa", "key")
    );
    setup.world.invariants.check(booking == repeated, || {
        format!("one idempotency key led to bookings {booking} and {repeated}")
    });
    tokio::join!(setup.pays("ann", booking, "tok_visa"), setup.pays("ann", booking, "tok_visa"));
    let end = setup.ends(booking, began, &COMPLETED()).await;
    let bookings = setup.world.invariants.bookings().len();
    setup.world.invariants.check(bookings == 1, || format!("there are {bookings} bookings"));
    end
}

/// All events are republished after the end.
async fn late_event(setup: &Setup<'_>) -> End {
    let began = Instant::now();
    let booking = setup.book("ann", "tok_visa").await;
    let end = setup.ends(booking, began, &COMPLETED()).await;
    setup.world.becomes_quiescent(ENDS_WITHIN).await;
    workload::republish_all(setup.world).await;
    setup.world.becomes_quiescent(ENDS_WITHIN).await;
    setup.check(booking, &COMPLETED());
    end
}

impl<'a> Setup<'a> {
    pub(super) async fn new(world: &'a World, saga: Saga) -> Self {
        let slots = workload::open(world).await;
        let slot_id = *slots.first().expect("without faults the slots are created");
        world.becomes_quiescent(ENDS_WITHIN).await;
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

    /// Books and pays; the next booking can start before this one has ended.
    async fn book(&self, who: &str, card: &str) -> BookingId {
        let booking = self.request_booking(who, card, who).await;
        self.pays(who, booking, card).await;
        booking
    }

    /// Requests a booking of the slot.
    async fn request_booking(&self, who: &str, card: &str, key: &str) -> BookingId {
        let payment =
            self.either(json!({ "mode": "instant", "token": card }), json!({ "mode": "invoice" }));
        let request = ApiRequest::new("POST", "/mobile/bookings").key(key);
        let request = request.body(json!({ "slotId": self.slot_id, "payment": payment }));
        let response =
            self.client(who).send(&request).await.expect("without faults there is a response");
        self.world
            .invariants
            .check(response.status == 202, || format!("a booking request got {}", response.body));
        let booking = response.body["bookingId"].as_str().and_then(|it| it.parse().ok());
        booking.expect("an accepted booking has an id")
    }

    /// Pays as soon as there is a bill, if the saga leaves payment to the customer.
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
                // It was cancelled before there was a bill.
                Some(_) => return,
                None if Instant::now() > until => return,
                None => sleep(Duration::from_millis(1)).await,
            }
        }
        let request = ApiRequest::new("POST", "/mobile/bills/{reference}/payments");
        let request = request.with("reference", reference).key(&format!("payment-{booking_id}"));
        let request = request.body(json!({ "amount": total(), "token": card }));
        let response = self.client(who).send(&request).await.map(|it| it.status);
        let is_right = match card {
            "tok_declined" => response == Some(402),
            "tok_down" => response == Some(503),
            _ => matches!(response, Some(201 | 409)),
        };
        self.world.invariants.check(is_right, || format!("a payment by {card} got {response:?}"));
    }

    /// Waits until a booking is final, and checks it against the expected state.
    async fn ends(&self, booking: BookingId, began: Instant, expected: &Expected) -> End {
        let until = Instant::now() + ENDS_WITHIN;
        let end = loop {
            let status = self.status_of(booking);
            if let Some((status, reason)) = status
                && status != BookingStatus::Pending
            {
                break (ended(status, reason), began.elapsed());
            }
            if Instant::now() > until {
                self.world
                    .invariants
                    .violated(format!("booking {booking} does not end: {status:?}"));
                break ("never".to_owned(), began.elapsed());
            }
            sleep(Duration::from_millis(1)).await;
        };
        // The slot and the money of a cancelled booking are released afterwards.
        self.world.becomes_quiescent(ENDS_WITHIN).await;
        self.check(booking, expected);
        end
    }

    fn status_of(&self, booking: BookingId) -> Option<(BookingStatus, Option<FailureReason>)> {
        let bookings = self.world.invariants.bookings();
        let booking = bookings.get(&booking)?;
        Some((booking.known()?.1, booking.reason()))
    }

    fn check(&self, booking_id: BookingId, expected: &Expected) {
        let Expected { status, reason, has_slot, kept } = expected;
        let invariants = &self.world.invariants;
        let found = self.status_of(booking_id);
        invariants.check(found == Some((*status, *reason)), || {
            format!("booking {booking_id} is {found:?}, and not {status:?} {reason:?}")
        });
        let slots = self.world.slots.all();
        let slot_state = slots.get(&self.slot_id.to_string()).map(|(_, it)| &it.state);
        let holder = match slot_state {
            Some(SlotState::Reserved { booking_id } | SlotState::Blocked { booking_id }) => {
                Some(*booking_id)
            }
            _ => None,
        };
        invariants.check((holder == Some(booking_id)) == *has_slot, || {
            format!("booking {booking_id}: the slot is {slot_state:?}")
        });
        let net = held(self.world, self.slot_id, booking_id);
        invariants.check(net == *kept, || format!("booking {booking_id}: {net} is held"));
    }
}
