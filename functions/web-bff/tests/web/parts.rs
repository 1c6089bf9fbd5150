//! Pages under every subset of services slow, failing and gone: in time, never a 5xx for what is optional, never a lie.

use std::sync::Mutex;
use std::time::Duration;

use crate::support::{Sent, World, bill, booking, down, history, json_of, now, slot, well};
use api_gateway::proxy::ProxyAnswer;
use bff::memory::{Memory, Reply};
use jiff::SignedDuration;
use serde_json::{Value, json};
use service_error::ServiceError;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(3);
/// What an answer may take beyond its deadline.
const MARGIN: Duration = Duration::from_millis(50);

/// How a service fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Well,
    Slow,
    Late,
    Failing,
    Broken,
    Gone,
}

const FATES: [Fate; 6] =
    [Fate::Well, Fate::Slow, Fate::Late, Fate::Failing, Fate::Broken, Fate::Gone];

impl Fate {
    fn reply(self, function: &str, request: &Value) -> Reply {
        let Reply::Answer(answer) = well(function, request) else { unreachable!("it is well") };
        match self {
            Self::Well => Reply::Answer(answer),
            Self::Slow => Reply::Late(Duration::from_millis(1_400), answer),
            Self::Late => Reply::Late(Duration::from_millis(3_100), answer),
            Self::Failing => down(),
            Self::Broken => Reply::Failure(ServiceError::permanent("no table")),
            Self::Gone => Reply::Late(Duration::from_secs(3_600), answer),
        }
    }

    fn comes(self) -> bool {
        matches!(self, Self::Well | Self::Slow)
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Well | Self::Slow => unreachable!("it comes"),
            Self::Late | Self::Gone => "late",
            Self::Failing => "unavailable",
            Self::Broken => "broken",
        }
    }
}

/// The functions behind the parts of a booking's page; the first is required.
const FUNCTIONS: [&str; 4] = ["booking-query", "parking-query", "billing-query", "booking-command"];

type Fates = Mutex<[Fate; 4]>;

fn services(fates: &Fates) -> Memory<impl Fn(&str, &Value) -> Reply + Sync> {
    Memory::new(|function: &str, request: &Value| {
        let at = FUNCTIONS.iter().position(|it| *it == function).expect("one of them");
        fates.lock().expect("not poisoned")[at].reply(function, request)
    })
}

fn all() -> impl Iterator<Item = [Fate; 4]> {
    let one = || FATES.into_iter();
    one().flat_map(move |a| {
        one().flat_map(move |b| one().flat_map(move |c| one().map(move |d| [a, b, c, d])))
    })
}

async fn timed(
    answer: impl Future<Output = ProxyAnswer>,
    fates: [Fate; 4],
) -> (ProxyAnswer, Duration) {
    let begun = Instant::now();
    let answer = answer.await;
    let took = begun.elapsed();
    assert!(took <= LIMIT + MARGIN, "{fates:?} took {took:?}");
    (answer, took)
}

#[tokio::test(start_paused = true)]
async fn a_booking_is_shown_whatever_becomes_of_what_surrounds_it() {
    for fates in all() {
        let shared = Fates::new(fates);
        let world = World::new(services(&shared));
        let (answer, _) = timed(world.by_ada(Sent::booking("GET", "").json()), fates).await;
        if !fates[0].comes() {
            assert_eq!(answer.status_code, 503, "{fates:?}");
            continue;
        }
        assert_eq!(answer.status_code, 200, "{fates:?}: {}", answer.body);
        let shown = json_of(&answer);
        assert_eq!(shown["booking"]["status"], booking()["status"]);
        let mut degraded = Vec::new();
        for (at, name, member, truth) in [
            (2, "billing", "bill", bill()["paid"].clone()),
            (1, "parking", "slot", slot()["name"].clone()),
            (3, "timeline", "timeline", history()["events"][0]["type"].clone()),
        ] {
            let part = &shown["parts"][name];
            if fates[at].comes() {
                assert_eq!(*part, json!({"status": "fresh"}), "{fates:?}");
                let told =
                    [&shown[member]["paid"], &shown[member]["name"], &shown[member][0]["type"]];
                assert!(told.contains(&&truth), "{fates:?}: {shown}");
            } else {
                degraded.push(name);
                let reason = fates[at].reason();
                assert_eq!(*part, json!({"status": "missing", "reason": reason}), "{fates:?}");
                assert_eq!(shown.get(member), None, "{fates:?}");
            }
        }
        // Not known is not the same as none.
        assert_eq!(shown.get("payments").is_some(), fates[2].comes(), "{fates:?}");
        let told = shown.get("degraded").cloned().unwrap_or(json!([]));
        assert_eq!(told, json!(degraded), "{fates:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_booking_says_what_it_lacks() {
    for fates in all().filter(|it| it[0].comes()) {
        let shared = Fates::new(fates);
        let world = World::new(services(&shared));
        let (answer, _) = timed(world.by_ada(Sent::booking("GET", "")), fates).await;
        assert_eq!(answer.status_code, 200, "{fates:?}: {}", answer.body);
        let page = &answer.body;
        let says = |word: &str| page.contains(word);
        let lacks = "the bill and its payments are missing here";
        assert_eq!(says(lacks), !fates[2].comes(), "{fates:?}");
        let lacks = "the name of your slot is missing here";
        assert_eq!(says(lacks), !fates[1].comes(), "{fates:?}");
        let lacks = "the times of the steps are missing here";
        assert_eq!(says(lacks), !fates[3].comes(), "{fates:?}");
        // Neither paid nor unpaid, and nothing to pay, if nobody knows.
        assert_eq!(says("can’t be told just now"), !fates[2].comes(), "{fates:?}");
        assert_eq!(says("waits for you"), fates[2].comes(), "{fates:?}");
        assert_eq!(says("id=\"pay\""), fates[2].comes(), "{fates:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_tells_how_long_each_part_took_and_that_they_ran_beside_each_other() {
    let shared = Fates::new([Fate::Slow; 4]);
    let world = World::new(services(&shared));
    let sent = || Sent::booking("GET", "").cookie(&world.session(), &world.ada());
    // From then on the slot is known, and nothing waits for the booking but what has happened to it.
    world.send(sent()).await;
    let answer = world.send(sent()).await;
    let told = answer.headers["Server-Timing"].clone();
    let names: Vec<_> = told.split(", ").map(|it| it.split_once(";dur=").unwrap().0).collect();
    assert_eq!(names.last(), Some(&"all"), "{told}");
    for name in ["booking", "parking", "billing", "timeline"] {
        assert!(names.contains(&name), "{told}");
    }
    for metric in told.split(", ") {
        let milliseconds = metric.split_once(";dur=").unwrap().1.split('.').next().unwrap();
        // Four in a row would take four times as long.
        assert!((1_400..1_450).contains(&milliseconds.parse::<u32>().unwrap()), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_before_stands_in_and_says_how_old_it_is() {
    for fates in all().filter(|it| it[0].comes()) {
        let shared = Fates::new([Fate::Well; 4]);
        let world = World::new(services(&shared));
        let sent = || {
            let sent = Sent::booking("GET", "");
            sent.cookie(&world.session(), &world.ada())
        };
        world.send(sent()).await;
        *shared.lock().unwrap() = fates;
        let later = now().checked_add(SignedDuration::from_secs(75)).unwrap();
        let (answer, took) = timed(world.send_at(sent().json(), later), fates).await;
        assert_eq!(answer.status_code, 200, "{fates:?}: {}", answer.body);
        // The slot is known by now, so nothing waits for the booking.
        if fates.into_iter().all(Fate::comes) {
            assert!(took <= Duration::from_millis(1_400) + MARGIN, "{fates:?} took {took:?}");
        }
        let shown = json_of(&answer);
        for (at, name) in [(2, "billing"), (1, "parking"), (3, "timeline")] {
            let part = &shown["parts"][name];
            // What has happened never changes: of a booking at the same version, all of it is known.
            if fates[at].comes() || name == "timeline" {
                assert_eq!(*part, json!({"status": "fresh"}), "{fates:?}");
                continue;
            }
            assert_eq!(
                (&part["status"], &part["reason"]),
                (&json!("stale"), &json!(fates[at].reason()))
            );
            let age = part["ageSeconds"].as_u64().unwrap();
            assert!((75..=79).contains(&age), "{fates:?}: {part}");
        }
        assert_eq!(shown["bill"]["paid"], "40.00", "{fates:?}");
        assert_eq!(shown["slot"]["name"], "Level 2, 14", "{fates:?}");
        let page = world.send_at(sent(), later).await.body;
        let old = fates[1..3].iter().any(|it| !it.comes());
        assert_eq!(page.contains("You see what it said"), old, "{fates:?}: {page}");
        assert_eq!(page.contains("id=\"pay\""), fates[2].comes(), "{fates:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_booking_that_has_gone_on_an_earlier_history_says_so() {
    let gone_on = Mutex::new(false);
    let world = World::new(Memory::new(|function: &str, request: &Value| {
        let gone_on = *gone_on.lock().unwrap();
        match function {
            "booking-query" if gone_on => {
                let mut booking = booking();
                booking["version"] = json!(3);
                booking["status"] = json!("completed");
                Reply::Answer(booking)
            }
            "booking-command" if gone_on => down(),
            _ => well(function, request),
        }
    }));
    world.by_ada(Sent::booking("GET", "")).await;
    *gone_on.lock().unwrap() = true;
    let shown = json_of(&world.by_ada(Sent::booking("GET", "").json()).await);
    assert_eq!(shown["booking"]["status"], "completed");
    assert_eq!(shown["parts"]["timeline"]["status"], "stale");
    assert_eq!(shown["timeline"].as_array().unwrap().len(), 1);
    let asked = world.web.services.asked();
    assert_eq!(asked.iter().filter(|(function, _)| function == "booking-command").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_seen_stands_in_for_nobody() {
    let shared = Fates::new([Fate::Well; 4]);
    let world = World::new(Memory::new(|function: &str, request: &Value| {
        let is_hers = request.get("customer").is_none_or(|it| it == "ada");
        if function == "booking-query" && !is_hers {
            return crate::support::not_found();
        }
        let at = FUNCTIONS.iter().position(|it| *it == function).expect("one of them");
        shared.lock().unwrap()[at].reply(function, request)
    }));
    assert_eq!(world.by_ada(Sent::booking("GET", "")).await.status_code, 200);
    *shared.lock().unwrap() = [Fate::Well, Fate::Failing, Fate::Failing, Fate::Failing];
    let bob = crate::support::token(&world.issuer, "bob", "customer", 60);
    let sent = Sent::booking("GET", "").json().cookie(&world.session(), &bob);
    let answer = world.send(sent).await;
    assert_eq!(answer.status_code, 404);
    assert!(!answer.body.contains("40.00"), "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn the_first_page_is_shown_whatever_becomes_of_its_parts() {
    for slots in FATES {
        for latest in FATES {
            let fates = [latest, slots, Fate::Well, Fate::Well];
            let shared = Fates::new(fates);
            let world = World::new(services(&shared));
            let (answer, _) = timed(world.by_ada(Sent::get("/web")), fates).await;
            assert_eq!(answer.status_code, 200, "{fates:?}");
            let page = &answer.body;
            assert_eq!(page.contains("Level 2, 14"), slots.comes(), "{fates:?}");
            assert_eq!(page.contains("the slots are missing here"), !slots.comes(), "{fates:?}");
            // Not to be had is not the same as none.
            assert!(!page.contains("No slot is free"), "{fates:?}");
            assert_eq!(page.contains("Your latest bookings"), latest.comes(), "{fates:?}");
            let lacks = "your latest bookings are missing here";
            assert_eq!(page.contains(lacks), !latest.comes(), "{fates:?}");
        }
    }
}
