//! Pages under every subset of services slow, failing and gone: in time, no 5xx for what is optional, no wrong data.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{
    Received, Routes as _, Sent, World, bill, booking, down, history, now, slot, well,
};
use bff::memory::{Memory, Reply};
use jiff::SignedDuration;
use serde_json::{Value, json};
use service_error::ServiceError;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(3);
/// The time that a response may take beyond its deadline.
const MARGIN: Duration = Duration::from_millis(50);

/// What goes wrong with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Well,
    Slow,
    Late,
    Failing,
    Broken,
    Gone,
}

const FAULTS: [Fault; 6] =
    [Fault::Well, Fault::Slow, Fault::Late, Fault::Failing, Fault::Broken, Fault::Gone];

impl Fault {
    fn reply(self, function: &str, request: &Value) -> Reply {
        let Reply::Response(response) = well(function, request) else { unreachable!("it is well") };
        match self {
            Self::Well => Reply::Response(response),
            Self::Slow => Reply::Late(Duration::from_millis(1_400), response),
            Self::Late => Reply::Late(Duration::from_millis(3_100), response),
            Self::Failing => down(),
            Self::Broken => Reply::Failure(ServiceError::permanent("no table")),
            Self::Gone => Reply::Late(Duration::from_secs(3_600), response),
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

type Faults = Mutex<[Fault; 4]>;

fn services(
    faults: &Arc<Faults>,
) -> Memory<impl Fn(&str, &Value) -> Reply + Clone + Send + Sync + 'static> {
    let faults = Arc::clone(faults);
    Memory::new(move |function: &str, request: &Value| {
        let at = FUNCTIONS.iter().position(|it| *it == function).expect("one of them");
        faults.lock().expect("not poisoned")[at].reply(function, request)
    })
}

fn all() -> impl Iterator<Item = [Fault; 4]> {
    let one = || FAULTS.into_iter();
    one().flat_map(move |a| {
        one().flat_map(move |b| one().flat_map(move |c| one().map(move |d| [a, b, c, d])))
    })
}

async fn timed(
    response: impl Future<Output = Received>,
    faults: [Fault; 4],
) -> (Received, Duration) {
    let started = Instant::now();
    let response = response.await;
    let took = started.elapsed();
    assert!(took <= LIMIT + MARGIN, "{faults:?} took {took:?}");
    (response, took)
}

#[tokio::test(start_paused = true)]
async fn a_booking_is_shown_whatever_becomes_of_what_surrounds_it() {
    for faults in all() {
        let shared = Arc::new(Faults::new(faults));
        let world = World::new(services(&shared));
        let (response, _) = timed(world.by_ada(Sent::booking("GET", "").json()), faults).await;
        if !faults[0].comes() {
            assert_eq!(response.status_code, 503, "{faults:?}");
            continue;
        }
        assert_eq!(response.status_code, 200, "{faults:?}: {}", response.body);
        let shown = response.json();
        assert_eq!(shown["booking"]["status"], booking()["status"]);
        let mut degraded = Vec::new();
        for (at, name, member, truth) in [
            (2, "billing", "bill", bill()["paid"].clone()),
            (1, "parking", "slot", slot()["name"].clone()),
            (3, "timeline", "timeline", history()["events"][0]["type"].clone()),
        ] {
            let part = &shown["parts"][name];
            if faults[at].comes() {
                assert_eq!(*part, json!({"status": "fresh"}), "{faults:?}");
                let reported =
                    [&shown[member]["paid"], &shown[member]["name"], &shown[member][0]["type"]];
                assert!(reported.contains(&&truth), "{faults:?}: {shown}");
            } else {
                degraded.push(name);
                let reason = faults[at].reason();
                assert_eq!(*part, json!({"status": "missing", "reason": reason}), "{faults:?}");
                assert_eq!(shown.get(member), None, "{faults:?}");
            }
        }
        // Not known is not the same as none.
        assert_eq!(shown.get("payments").is_some(), faults[2].comes(), "{faults:?}");
        let reported = shown.get("degraded").cloned().unwrap_or(json!([]));
        assert_eq!(reported, json!(degraded), "{faults:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_booking_says_what_it_lacks() {
    for faults in all().filter(|it| it[0].comes()) {
        let shared = Arc::new(Faults::new(faults));
        let world = World::new(services(&shared));
        let (response, _) = timed(world.by_ada(Sent::booking("GET", "")), faults).await;
        assert_eq!(response.status_code, 200, "{faults:?}: {}", response.body);
        let page = &response.body;
        let says = |word: &str| page.contains(word);
        let lacks = "the bill and its payments are missing here";
        assert_eq!(says(lacks), !faults[2].comes(), "{faults:?}");
        let lacks = "the name of your slot is missing here";
        assert_eq!(says(lacks), !faults[1].comes(), "{faults:?}");
        let lacks = "the times of the steps are missing here";
        assert_eq!(says(lacks), !faults[3].comes(), "{faults:?}");
        // Neither paid nor unpaid, and nothing to pay, if the bill is unknown.
        assert_eq!(
            says("class=\"state\">currently unavailable<"),
            !faults[2].comes(),
            "{faults:?}"
        );
        assert_eq!(says("waits for you"), faults[2].comes(), "{faults:?}");
        assert_eq!(says("id=\"pay\""), faults[2].comes(), "{faults:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_reports_the_duration_of_each_part_and_the_parts_run_concurrently() {
    let shared = Arc::new(Faults::new([Fault::Slow; 4]));
    let world = World::new(services(&shared));
    let sent = || Sent::booking("GET", "").cookie(&world.session(), &world.ada());
    // From then on the slot is known, and nothing waits for the booking but what has happened to it.
    world.send(sent()).await;
    let response = world.send(sent()).await;
    let reported = response.headers["Server-Timing"].clone();
    let names: Vec<_> = reported.split(", ").map(|it| it.split_once(";dur=").unwrap().0).collect();
    assert_eq!(names.last(), Some(&"all"), "{reported}");
    for name in ["booking", "parking", "billing", "timeline"] {
        assert!(names.contains(&name), "{reported}");
    }
    for metric in reported.split(", ") {
        let milliseconds = metric.split_once(";dur=").unwrap().1.split('.').next().unwrap();
        // Four in a row would take four times as long.
        assert!((1_400..1_450).contains(&milliseconds.parse::<u32>().unwrap()), "{reported}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_before_stands_in_and_says_how_old_it_is() {
    for faults in all().filter(|it| it[0].comes()) {
        let shared = Arc::new(Faults::new([Fault::Well; 4]));
        let world = World::new(services(&shared));
        let sent = || {
            let sent = Sent::booking("GET", "");
            sent.cookie(&world.session(), &world.ada())
        };
        world.send(sent()).await;
        *shared.lock().unwrap() = faults;
        let later = now().checked_add(SignedDuration::from_secs(75)).unwrap();
        let (response, took) = timed(world.send_at(sent().json(), later), faults).await;
        assert_eq!(response.status_code, 200, "{faults:?}: {}", response.body);
        // The slot is known by now, so nothing waits for the booking.
        if faults.into_iter().all(Fault::comes) {
            assert!(took <= Duration::from_millis(1_400) + MARGIN, "{faults:?} took {took:?}");
        }
        let shown = response.json();
        for (at, name) in [(2, "billing"), (1, "parking"), (3, "timeline")] {
            let part = &shown["parts"][name];
            // What has happened never changes: of a booking at the same version, all of it is known.
            if faults[at].comes() || name == "timeline" {
                assert_eq!(*part, json!({"status": "fresh"}), "{faults:?}");
                continue;
            }
            assert_eq!(
                (&part["status"], &part["reason"]),
                (&json!("stale"), &json!(faults[at].reason()))
            );
            let age = part["ageSeconds"].as_u64().unwrap();
            assert!((75..=79).contains(&age), "{faults:?}: {part}");
        }
        assert_eq!(shown["bill"]["paid"], "40.00", "{faults:?}");
        assert_eq!(shown["slot"]["name"], "Level 2, 14", "{faults:?}");
        let page = world.send_at(sent(), later).await.body;
        let old = faults[1..3].iter().any(|it| !it.comes());
        assert_eq!(page.contains("You see its data as of"), old, "{faults:?}: {page}");
        assert_eq!(page.contains("id=\"pay\""), faults[2].comes(), "{faults:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_booking_that_has_gone_on_an_earlier_history_says_so() {
    let gone_on = Arc::new(Mutex::new(false));
    let shared = Arc::clone(&gone_on);
    let world = World::new(Memory::new(move |function: &str, request: &Value| {
        let gone_on = *shared.lock().unwrap();
        match function {
            "booking-query" if gone_on => {
                let mut booking = booking();
                booking["version"] = json!(3);
                booking["status"] = json!("completed");
                Reply::Response(booking)
            }
            "booking-command" if gone_on => down(),
            _ => well(function, request),
        }
    }));
    world.by_ada(Sent::booking("GET", "")).await;
    *gone_on.lock().unwrap() = true;
    let shown = world.by_ada(Sent::booking("GET", "").json()).await.json();
    assert_eq!(shown["booking"]["status"], "completed");
    assert_eq!(shown["parts"]["timeline"]["status"], "stale");
    assert_eq!(shown["timeline"].as_array().unwrap().len(), 1);
    let calls = world.services.calls();
    assert_eq!(calls.iter().filter(|(function, _)| function == "booking-command").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_another_customer_has_seen_is_never_used_as_stale_data() {
    let shared = Arc::new(Faults::new([Fault::Well; 4]));
    let faults = Arc::clone(&shared);
    let world = World::new(Memory::new(move |function: &str, request: &Value| {
        let is_hers = request.get("customer").is_none_or(|it| it == "ada");
        if function == "booking-query" && !is_hers {
            return crate::support::not_found();
        }
        let at = FUNCTIONS.iter().position(|it| *it == function).expect("one of them");
        faults.lock().unwrap()[at].reply(function, request)
    }));
    assert_eq!(world.by_ada(Sent::booking("GET", "")).await.status_code, 200);
    *shared.lock().unwrap() = [Fault::Well, Fault::Failing, Fault::Failing, Fault::Failing];
    let bob = crate::support::token(&world.issuer, "bob", "customer", 60);
    let sent = Sent::booking("GET", "").json().cookie(&world.session(), &bob);
    let response = world.send(sent).await;
    assert_eq!(response.status_code, 404);
    assert!(!response.body.contains("40.00"), "{}", response.body);
}

#[tokio::test(start_paused = true)]
async fn the_first_page_is_shown_whatever_becomes_of_its_parts() {
    for slots in FAULTS {
        for latest in FAULTS {
            let faults = [latest, slots, Fault::Well, Fault::Well];
            let shared = Arc::new(Faults::new(faults));
            let world = World::new(services(&shared));
            let (response, _) = timed(world.by_ada(Sent::get("/web")), faults).await;
            assert_eq!(response.status_code, 200, "{faults:?}");
            let page = &response.body;
            assert_eq!(page.contains("Level 2, 14"), slots.comes(), "{faults:?}");
            assert_eq!(page.contains("the slots are missing here"), !slots.comes(), "{faults:?}");
            // Unavailable is not the same as none.
            assert!(!page.contains("No slot is free"), "{faults:?}");
            assert_eq!(page.contains("Your latest bookings"), latest.comes(), "{faults:?}");
            let lacks = "your latest bookings are missing here";
            assert_eq!(page.contains(lacks), !latest.comes(), "{faults:?}");
        }
    }
}
