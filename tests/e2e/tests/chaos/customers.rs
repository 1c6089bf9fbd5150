//! The bookings and their customers' actions: chosen by the seed, and carried out whatever fault occurs.

use std::time::Duration;

use fastrand::Rng;
use futures::future::{join, join_all};
use platform::{Caller, Platform, Reply};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::fault_injection::Killer;
use crate::progress::Progress;

pub(crate) const BOOKINGS: usize = 100;
const CUSTOMERS: usize = 20;
/// Few, so that many customers want the same slot.
const CONTESTED: usize = 4;
/// A killed function loses its response; the next process starts within a second, and may be killed too.
const RESPONSE_WITHIN: Duration = Duration::from_secs(75);
/// A bill expires after 25 s; incomplete work is found after a minute by a reconciliation that runs once a minute.
const FINAL_WITHIN: Duration = Duration::from_secs(160);
/// Half of the bookings may be active at once, and the gateway allows 200 requests a second.
const PAUSE: Duration = Duration::from_millis(500);
/// All bookings are requested within this time.
const ARRIVALS_MS: u64 = 30_000;

/// How a booking is paid.
#[derive(Clone, Copy, Debug)]
enum PaymentMode {
    Instant(&'static str),
    Invoice(InvoicePayment),
}

#[derive(Clone, Copy, Debug)]
enum InvoicePayment {
    Immediately,
    InParts,
    AtSecondAttempt,
    Never,
}

/// What the customer does with the booking.
#[derive(Clone, Copy, Debug, PartialEq)]
enum NextAction {
    Keep,
    CancelEarly,
    CancelLater,
    CheckOut,
}

/// One planned booking.
#[derive(Clone, Debug)]
struct PlannedBooking {
    number: usize,
    slot: usize,
    payment: PaymentMode,
    next: NextAction,
    /// When it is requested, from the start of the run.
    starts_at: Duration,
    /// The delay before an early cancellation.
    cancel_after: Duration,
    /// When, after the request, a function is killed, and which.
    kill_after: Duration,
    kill_choice: usize,
}

/// All bookings of a run.
#[derive(Debug)]
pub(crate) struct Plan {
    bookings: Vec<PlannedBooking>,
    slots: usize,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut slots = CONTESTED;
        let bookings = (0..BOOKINGS).map(|number| {
            let is_contested = rng.usize(..10) < 4;
            let slot = if is_contested {
                rng.usize(..CONTESTED)
            } else {
                slots += 1;
                slots - 1
            };
            let payment = match rng.usize(..100) {
                0..28 => PaymentMode::Instant("tok_visa"),
                28..35 => PaymentMode::Instant("tok_slow"),
                35..40 => PaymentMode::Instant("tok_timeout"),
                40..45 => PaymentMode::Instant("tok_flaky"),
                45..49 => PaymentMode::Instant("tok_declined"),
                49..52 => PaymentMode::Instant("tok_insufficient_funds"),
                52..53 => PaymentMode::Instant("tok_down"),
                53..78 => PaymentMode::Invoice(InvoicePayment::Immediately),
                78..88 => PaymentMode::Invoice(InvoicePayment::InParts),
                88..94 => PaymentMode::Invoice(InvoicePayment::AtSecondAttempt),
                _ => PaymentMode::Invoice(InvoicePayment::Never),
            };
            let next = match rng.usize(..10) {
                0..4 => NextAction::Keep,
                4..6 => NextAction::CancelEarly,
                6..8 => NextAction::CancelLater,
                _ => NextAction::CheckOut,
            };
            let mut millis = |end| Duration::from_millis(rng.u64(..end));
            let (starts_at, cancel_after, kill_after) =
                (millis(ARRIVALS_MS), millis(1_500), millis(2_500));
            let kill_choice = rng.usize(..1_000);
            PlannedBooking {
                number,
                slot,
                payment,
                next,
                starts_at,
                cancel_after,
                kill_after,
                kill_choice,
            }
        });
        let bookings = bookings.collect();
        Self { bookings, slots }
    }

    /// Creates the slots of the plan.
    pub(crate) async fn slots(&self, platform: &Platform) -> Vec<String> {
        let mut slots = Vec::new();
        for _ in 0..self.slots {
            slots.push(platform.slot().await);
        }
        slots
    }
}

/// A booking as its customer knows it.
#[derive(Debug)]
pub(crate) struct Booked {
    pub(crate) customer: Caller,
    pub(crate) id: String,
    pub(crate) slot: String,
    /// The final statuses that the customer read, the last one last.
    pub(crate) statuses: Vec<String>,
}

impl Booked {
    /// The reference of its bill.
    pub(crate) fn reference(&self) -> String {
        format!("{}:{}", self.slot, self.id)
    }
}

/// Makes all bookings, by several concurrent customers; a function is killed during each.
pub(crate) async fn book(
    platform: &Platform,
    plan: &Plan,
    slots: &[String],
    killer: &Killer,
    progress: &Progress,
) -> Vec<Booked> {
    let mut customers = Vec::new();
    for _ in 0..CUSTOMERS {
        customers.push(platform.customer().await);
    }
    let runs =
        plan.bookings.iter().zip(customers.iter().cycle()).map(async |(planned, customer)| {
            sleep(planned.starts_at).await;
            let one = BookingRun { customer, planned, slot: &slots[planned.slot], progress };
            let (booked, ()) =
                join(one.run(), killer.kill_one(planned.kill_after, planned.kill_choice, progress))
                    .await;
            progress.ended(planned.number);
            booked
        });
    join_all(runs).await
}

/// One booking in progress.
struct BookingRun<'a> {
    customer: &'a Caller,
    planned: &'a PlannedBooking,
    slot: &'a str,
    progress: &'a Progress,
}

impl BookingRun<'_> {
    async fn run(&self) -> Booked {
        let payment = match self.planned.payment {
            PaymentMode::Instant(token) => json!({ "mode": "instant", "token": token }),
            PaymentMode::Invoice(_) => json!({ "mode": "invoice" }),
        };
        let request = json!({ "slotId": self.slot, "payment": payment });
        let accepted = self.post("books", "/mobile/bookings", Some(&request)).await.expect(202);
        let id = accepted["bookingId"].as_str().unwrap().to_owned();
        let mut statuses = Vec::new();
        if self.planned.next == NextAction::CancelEarly {
            sleep(self.planned.cancel_after).await;
            statuses.extend(self.command(&id, "cancel").await);
        } else if let PaymentMode::Invoice(paid) = self.planned.payment {
            self.pay(&id, paid).await;
        }
        let last = self.until(&id, "is final", |it| it["status"] != "pending").await;
        let status = last["status"].as_str().unwrap();
        if !statuses.iter().any(|it| it == status) {
            statuses.push(status.to_owned());
        }
        if status == "completed" {
            match self.planned.next {
                NextAction::CancelLater => statuses.extend(self.command(&id, "cancel").await),
                NextAction::CheckOut => statuses.extend(self.command(&id, "check-out").await),
                NextAction::Keep | NextAction::CancelEarly => {}
            }
        }
        let (customer, slot) = (self.customer.clone(), self.slot.to_owned());
        Booked { customer, id, slot, statuses }
    }

    /// The new status; `None` if the command came too late, or repeats one that was executed.
    async fn command(&self, id: &str, command: &str) -> Option<String> {
        let reply = self.post(command, &format!("/mobile/bookings/{id}/{command}"), None).await;
        if reply.status == 202 {
            return Some(reply.body["status"].as_str().unwrap().to_owned());
        }
        reply.expect_problem(409, "conflict");
        None
    }

    async fn pay(&self, id: &str, paid: InvoicePayment) {
        let steps: &[(&str, &str)] = match paid {
            InvoicePayment::Immediately => &[("100.00", "tok_visa")],
            InvoicePayment::InParts => &[("60.00", "tok_visa"), ("40.00", "tok_visa")],
            InvoicePayment::AtSecondAttempt => {
                &[("100.00", "tok_declined"), ("100.00", "tok_visa")]
            }
            InvoicePayment::Never => return,
        };
        let issued = |it: &Value| !it["bill"].is_null() || it["status"] != "pending";
        let found = self.until(id, "has its bill", issued).await;
        if found["status"] != "pending" {
            return;
        }
        let path = format!("/mobile/bills/{}:{id}/payments", self.slot);
        for (amount, token) in steps {
            let payment = json!({ "amount": amount, "token": token });
            let reply = self.post("pays", &path, Some(&payment)).await;
            // The bill may have expired meanwhile; a declined card is tried only once.
            let is_right = matches!((reply.status, *token), (402, "tok_declined") | (201 | 409, _));
            assert!(is_right, "booking {}: {id}: {payment}: {}", self.planned.number, reply.text);
        }
    }

    /// Waits until the booking meets a condition, and returns it.
    async fn until(&self, id: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/mobile/bookings/{id}");
        let is_expected = |reply: &Reply| reply.status != 404 && condition(&reply.body);
        let get = async || self.customer.try_send(Method::GET, &path, &[], None).await;
        self.send_until(&format!("{id} {what}"), FINAL_WITHIN, get, is_expected).await.expect(200)
    }

    /// Sends a request with one idempotency key, with retries.
    async fn post(&self, what: &str, path: &str, body: Option<&Value>) -> Reply {
        let key = Uuid::new_v4().to_string();
        let headers = [("idempotency-key", key.as_str())];
        let headers = if body.is_some() { headers.as_slice() } else { &[] };
        let body = body.map(Value::to_string);
        let send = async || self.customer.try_send(Method::POST, path, headers, body.clone()).await;
        self.send_until(&format!("{what} at {path}"), RESPONSE_WITHIN, send, |_| true).await
    }

    /// Sends a request until the response is as expected. Killed functions cause missing and 5xx responses.
    async fn send_until(
        &self,
        what: &str,
        within: Duration,
        send: impl AsyncFn() -> Result<Reply, reqwest::Error>,
        is_expected: impl Fn(&Reply) -> bool,
    ) -> Reply {
        let deadline = Instant::now() + within;
        loop {
            let last = match send().await {
                Ok(reply) if reply.status < 500 && reply.status != 429 && is_expected(&reply) => {
                    return reply;
                }
                Ok(reply) => format!("{} {}", reply.status, reply.text),
                Err(error) => format!("{error:?}"),
            };
            let planned = self.planned;
            self.progress.set_waiting(planned.number, format!("{what}, got {last}; {planned:?}"));
            assert!(
                Instant::now() < deadline,
                "booking {}: not within {within:?}: {what}\n{}",
                planned.number,
                self.progress.details()
            );
            sleep(PAUSE).await;
        }
    }
}
