//! Who books what, and what they do with it: chosen by the seed, and done whatever dies meanwhile.

use std::time::Duration;

use fastrand::Rng;
use futures::future::{join, join_all};
use platform::{Caller, Platform, Reply};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::mischief::Killer;
use crate::progress::Progress;

pub(crate) const BOOKINGS: usize = 100;
const CUSTOMERS: usize = 20;
/// So few slots that many want the same.
const CONTESTED: usize = 4;
/// A function that dies takes its answer along; its successor is there within a second, and may die too.
const ANSWER_WITHIN: Duration = Duration::from_secs(75);
/// A bill falls due after 25 s; what was left half done is looked at after a minute, by a sweep that comes once a minute.
const FINAL_WITHIN: Duration = Duration::from_secs(160);
/// Half of the bookings may be on their way at once, and the front door takes 200 requests a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Within this time all are asked for.
const BEGIN_MS: u64 = 30_000;

/// How a booking is paid.
#[derive(Clone, Copy, Debug)]
enum Way {
    Instant(&'static str),
    Invoice(Paid),
}

#[derive(Clone, Copy, Debug)]
enum Paid {
    AtOnce,
    InParts,
    AtTheSecondTry,
    Never,
}

/// What its customer does with it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Keeps,
    CancelsAtOnce,
    CancelsLater,
    ChecksOut,
}

/// One booking as it is wished for.
#[derive(Clone, Debug)]
struct Wish {
    number: usize,
    slot: usize,
    way: Way,
    then: Then,
    /// When it is asked for, from the beginning on.
    begins: Duration,
    /// Before it is cancelled at once.
    haste: Duration,
    /// When, after it was asked for, a function is killed, and which.
    kill_after: Duration,
    victim: usize,
}

/// All wishes of a run.
#[derive(Debug)]
pub(crate) struct Plan {
    wishes: Vec<Wish>,
    slots: usize,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Rng::with_seed(seed);
        let mut slots = CONTESTED;
        let wishes = (0..BOOKINGS).map(|number| {
            let is_contested = dice.usize(..10) < 4;
            let slot = if is_contested {
                dice.usize(..CONTESTED)
            } else {
                slots += 1;
                slots - 1
            };
            let way = match dice.usize(..100) {
                0..28 => Way::Instant("tok_visa"),
                28..35 => Way::Instant("tok_slow"),
                35..40 => Way::Instant("tok_timeout"),
                40..45 => Way::Instant("tok_flaky"),
                45..49 => Way::Instant("tok_declined"),
                49..52 => Way::Instant("tok_insufficient_funds"),
                52..53 => Way::Instant("tok_down"),
                53..78 => Way::Invoice(Paid::AtOnce),
                78..88 => Way::Invoice(Paid::InParts),
                88..94 => Way::Invoice(Paid::AtTheSecondTry),
                _ => Way::Invoice(Paid::Never),
            };
            let then = match dice.usize(..10) {
                0..4 => Then::Keeps,
                4..6 => Then::CancelsAtOnce,
                6..8 => Then::CancelsLater,
                _ => Then::ChecksOut,
            };
            let mut millis = |end| Duration::from_millis(dice.u64(..end));
            let (begins, haste, kill_after) = (millis(BEGIN_MS), millis(1_500), millis(2_500));
            let victim = dice.usize(..1_000);
            Wish { number, slot, way, then, begins, haste, kill_after, victim }
        });
        let wishes = wishes.collect();
        Self { wishes, slots }
    }

    /// The slots that it is about.
    pub(crate) async fn slots(&self, platform: &Platform) -> Vec<String> {
        let mut slots = Vec::new();
        for _ in 0..self.slots {
            slots.push(platform.slot().await);
        }
        slots
    }
}

/// What a customer knows of a booking.
#[derive(Debug)]
pub(crate) struct Booked {
    pub(crate) customer: Caller,
    pub(crate) id: String,
    pub(crate) slot: String,
    /// What they were told that is final, if nothing follows: the last word comes last.
    pub(crate) told: Vec<String>,
}

impl Booked {
    /// The name of its bill.
    pub(crate) fn reference(&self) -> String {
        format!("{}:{}", self.slot, self.id)
    }
}

/// All wishes, by several customers at once; for each, somebody dies.
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
    let lives = plan.wishes.iter().zip(customers.iter().cycle()).map(async |(wish, customer)| {
        sleep(wish.begins).await;
        let one = Errand { customer, wish, slot: &slots[wish.slot], progress };
        let (booked, ()) =
            join(one.run(), killer.strike(wish.kill_after, wish.victim, progress)).await;
        progress.ended(wish.number);
        booked
    });
    join_all(lives).await
}

/// One wish on its way.
struct Errand<'a> {
    customer: &'a Caller,
    wish: &'a Wish,
    slot: &'a str,
    progress: &'a Progress,
}

impl Errand<'_> {
    async fn run(&self) -> Booked {
        let payment = match self.wish.way {
            Way::Instant(token) => json!({ "mode": "instant", "token": token }),
            Way::Invoice(_) => json!({ "mode": "invoice" }),
        };
        let wish = json!({ "slotId": self.slot, "payment": payment });
        let accepted = self.post("books", "/mobile/bookings", Some(&wish)).await.expect(202);
        let id = accepted["bookingId"].as_str().unwrap().to_owned();
        let mut told = Vec::new();
        if self.wish.then == Then::CancelsAtOnce {
            sleep(self.wish.haste).await;
            told.extend(self.command(&id, "cancel").await);
        } else if let Way::Invoice(paid) = self.wish.way {
            self.pay(&id, paid).await;
        }
        let settled = self.until(&id, "is final", |it| it["status"] != "pending").await;
        let status = settled["status"].as_str().unwrap();
        if !told.iter().any(|it| it == status) {
            told.push(status.to_owned());
        }
        if status == "completed" {
            match self.wish.then {
                Then::CancelsLater => told.extend(self.command(&id, "cancel").await),
                Then::ChecksOut => told.extend(self.command(&id, "check-out").await),
                Then::Keeps | Then::CancelsAtOnce => {}
            }
        }
        let (customer, slot) = (self.customer.clone(), self.slot.to_owned());
        Booked { customer, id, slot, told }
    }

    /// The state that it has brought about; none if it came too late, or was a repeat of one that was carried out.
    async fn command(&self, id: &str, command: &str) -> Option<String> {
        let reply = self.post(command, &format!("/mobile/bookings/{id}/{command}"), None).await;
        if reply.status == 202 {
            return Some(reply.body["status"].as_str().unwrap().to_owned());
        }
        reply.expect_problem(409, "conflict");
        None
    }

    async fn pay(&self, id: &str, paid: Paid) {
        let steps: &[(&str, &str)] = match paid {
            Paid::AtOnce => &[("100.00", "tok_visa")],
            Paid::InParts => &[("60.00", "tok_visa"), ("40.00", "tok_visa")],
            Paid::AtTheSecondTry => &[("100.00", "tok_declined"), ("100.00", "tok_visa")],
            Paid::Never => return,
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
            // It may have fallen due meanwhile; a declined card is tried but once.
            let is_right = matches!((reply.status, *token), (402, "tok_declined") | (201 | 409, _));
            assert!(is_right, "booking {}: {id}: {payment}: {}", self.wish.number, reply.text);
        }
    }

    /// The booking, once it is as wanted.
    async fn until(&self, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/mobile/bookings/{id}");
        let wanted = |reply: &Reply| reply.status != 404 && is_so(&reply.body);
        let look = async || self.customer.try_send(Method::GET, &path, &[], None).await;
        self.answer(&format!("{id} {what}"), FINAL_WITHIN, look, wanted).await.expect(200)
    }

    /// A wish with one key, however often it has to be sent.
    async fn post(&self, what: &str, path: &str, body: Option<&Value>) -> Reply {
        let key = Uuid::new_v4().to_string();
        let headers = [("idempotency-key", key.as_str())];
        let headers = if body.is_some() { headers.as_slice() } else { &[] };
        let body = body.map(Value::to_string);
        let send = async || self.customer.try_send(Method::POST, path, headers, body.clone()).await;
        self.answer(&format!("{what} at {path}"), ANSWER_WITHIN, send, |_| true).await
    }

    /// Asks until somebody answers as wanted. No answer, and one that says "not now", come of functions that die.
    async fn answer(
        &self,
        what: &str,
        within: Duration,
        ask: impl AsyncFn() -> Result<Reply, reqwest::Error>,
        is_wanted: impl Fn(&Reply) -> bool,
    ) -> Reply {
        let deadline = Instant::now() + within;
        loop {
            let last = match ask().await {
                Ok(reply) if reply.status < 500 && reply.status != 429 && is_wanted(&reply) => {
                    return reply;
                }
                Ok(reply) => format!("{} {}", reply.status, reply.text),
                Err(error) => format!("{error:?}"),
            };
            let wish = self.wish;
            self.progress.awaits(wish.number, format!("{what}, told {last}; {wish:?}"));
            assert!(
                Instant::now() < deadline,
                "booking {}: not within {within:?}: {what}\n{}",
                wish.number,
                self.progress.whole()
            );
            sleep(LOOK_EVERY).await;
        }
    }
}
