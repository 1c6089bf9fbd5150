//! Every route, and every error of the contract, with events as the gateway sends them.

use std::time::Duration;

use crate::circuit_breakers::provider_breaker;
use crate::support::{
    AT, BOOKING, CORRELATION, OperatorRequest as _, QUEUES, SLOT, Sent, Shelf, json_of, problem,
    token,
};
use async_trait::async_trait;
use bff::memory::{Memory, Reply};
use operator_bff::queues::DeadLetter;
use operator_bff::workflow::{
    Execution, ExecutionStatus, HistoryEvent, StateMachine, StepEvent, Workflow,
};
use serde_json::{Value, json};
use service_error::ServiceError;

fn slot() -> Value {
    json!({"slotId": SLOT, "name": "A1", "status": "available", "version": 3})
}

fn booking() -> Value {
    json!({
        "bookingId": BOOKING, "slotId": SLOT, "customer": "alice", "status": "failed",
        "reason": "payment_declined", "mode": "instant", "version": 2, "createdAt": AT, "updatedAt": AT,
    })
}

fn history() -> Value {
    json!({"events": [{
        "id": CORRELATION, "version": 1, "type": "BookingCreated", "occurredAt": AT,
        "correlationId": BOOKING, "causationId": CORRELATION, "data": {"slotId": SLOT},
    }]})
}

fn projection(status: &str) -> Value {
    json!({
        "status": status, "applied": 7, "lagSeconds": 1, "generation": 2, "previous": 1,
        "compared": 7, "healed": 0, "different": 0,
    })
}

fn projection_of(method: &str, name: &str, what: &str) -> Sent {
    Sent::new(method, &format!("/operator/projections/{{name}}{what}"), &[("name", name)])
}

/// Services at their best.
fn well(function: &str, request: &Value) -> Reply {
    Reply::Response(match (function, request["command"].as_str().or(request["query"].as_str())) {
        ("parking-command", Some("createSlot")) => {
            json!({
                "slotId": request["slotId"], "name": request["name"], "status": "available", "version": 1,
            })
        }
        ("parking-command", _) | ("parking-query", Some("slot")) => slot(),
        ("parking-query", Some("slots")) => json!({"items": [slot()], "nextCursor": "c2"}),
        ("booking-query" | "parking-query", Some("projection")) => projection("live"),
        ("billing-breaker", _) => provider_breaker("half_open"),
        ("booking-query", Some("overview")) => {
            json!({"counts": {"pending": 3}, "countedUpTo": 1000, "projection": projection("live")})
        }
        ("parking-query", Some("overview")) => {
            json!({"counts": {"available": 5}, "countedUpTo": 1000, "projection": projection("live")})
        }
        ("booking-rebuild" | "parking-rebuild", Some("beginRebuild")) => projection("rebuilding"),
        ("booking-rebuild" | "parking-rebuild", Some("workOnRebuild")) => projection("live"),
        ("booking-rebuild" | "parking-rebuild", Some("rollBack")) => projection("live"),
        ("booking-query", Some("bookings")) => json!({"items": [booking()]}),
        ("booking-command", Some("readHistory")) => {
            if request.get("version").is_none() && request.get("at").is_none() {
                history()
            } else {
                json!({
                    "bookingId": BOOKING, "status": "pending", "version": 1, "slotId": SLOT, "mode": "instant",
                })
            }
        }
        other => unreachable!("unexpected call: {other:?}"),
    })
}

pub(crate) fn down() -> Reply {
    Reply::Failure(ServiceError::transient("not now", "connection refused"))
}

/// Knows one execution, by the booking's id; or is unreachable.
#[derive(Clone, Copy)]
pub(crate) struct Sagas {
    reachable: bool,
}

pub(crate) const SAGAS: Sagas = Sagas { reachable: true };

#[async_trait]
impl Workflow for Sagas {
    async fn execution(
        &self,
        _: StateMachine,
        name: &str,
    ) -> Result<Option<Execution>, ServiceError> {
        let at = AT.parse().expect("a time");
        let history = [
            StepEvent::StepEntered { name: "BlockSlot".to_owned() },
            StepEvent::Attempted,
            StepEvent::AttemptSucceeded,
        ]
        .map(|what| HistoryEvent { at, what })
        .to_vec();
        let execution = Execution { status: ExecutionStatus::Running, history };
        if self.reachable {
            Ok((name == BOOKING).then_some(execution))
        } else {
            Err(ServiceError::transient("not now", "connection refused"))
        }
    }
}

fn create(name: &str) -> Sent {
    Sent::new("POST", "/operator/slots", &[]).body(&json!({"name": name}))
}

fn slot_then(what: &str) -> Sent {
    Sent::new("POST", &format!("/operator/slots/{{slotId}}/{what}"), &[("slotId", SLOT)])
}

fn booking_of(id: &str, what: &str) -> Sent {
    Sent::new("GET", &format!("/operator/bookings/{{bookingId}}/{what}"), &[("bookingId", id)])
}

#[tokio::test]
async fn without_a_caller_every_route_is_401_and_without_the_role_403() {
    let services = Memory::new(|_, _| down());
    for (caller, expected) in [
        (json!(null), (401, "unauthenticated".to_owned())),
        (json!({"sub": "alice", "role": "customer"}), (403, "forbidden".to_owned())),
    ] {
        assert_eq!(problem(&create("A1").caller(caller).to(&services, &SAGAS).await), expected);
    }
    assert!(services.calls().is_empty());
}

#[tokio::test]
async fn a_slot_is_added_and_can_be_read_at_once() {
    let services = Memory::new(well);
    let response = create("Level 2, 14 é").to(&services, &SAGAS).await;
    assert_eq!(response.status_code, 201, "{}", response.body);
    let slot = json_of(&response);
    let id = slot["slotId"].as_str().unwrap();
    assert_eq!(
        slot,
        json!({"slotId": id, "name": "Level 2, 14 é", "status": "available", "version": 1})
    );
    assert_eq!(response.headers["Location"], format!("../operator/slots/{id}"));
    let calls = services.calls();
    assert_eq!(calls[0].1["cause"], CORRELATION);
    assert_eq!(calls[1].1, json!({"query": "slot", "slotId": id, "minVersion": 1}));
}

#[tokio::test(start_paused = true)]
async fn a_view_that_is_late_or_out_of_reach_does_not_take_back_what_was_done() {
    for view in [(|| Reply::Late(Duration::from_secs(60), slot())) as fn() -> Reply, down, || {
        Reply::Failure(ServiceError::permanent("no table"))
    }] {
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "parking-query" => view(),
            _ => well(function, request),
        });
        assert_eq!(create("A1").to(&services, &SAGAS).await.status_code, 201);
        assert_eq!(slot_then("close").to(&services, &SAGAS).await.status_code, 200);
    }
}

#[tokio::test]
async fn a_name_has_1_to_100_characters_that_can_be_seen() {
    let services = Memory::new(well);
    for name in ["A", "é", &"é".repeat(100), " A ", "🚗"] {
        assert_eq!(create(name).to(&services, &SAGAS).await.status_code, 201, "{name}");
    }
    let services = Memory::new(|_, _| down());
    for name in ["", " ", "\t", "a\nb", "a\u{0}", "a\u{85}", &"é".repeat(101)] {
        let response = create(name).to(&services, &SAGAS).await;
        assert_eq!(problem(&response), (400, "validation".to_owned()), "{name:?}");
    }
    for body in [
        json!({}),
        json!([]),
        json!({"name": 1}),
        json!({"name": null}),
        json!({"name": "A", "x": 1}),
    ] {
        let response =
            Sent::new("POST", "/operator/slots", &[]).body(&body).to(&services, &SAGAS).await;
        assert_eq!(problem(&response), (400, "validation".to_owned()), "{body}");
    }
    let long = json!({"name": "x".repeat(64 * 1024)});
    let response =
        Sent::new("POST", "/operator/slots", &[]).body(&long).to(&services, &SAGAS).await;
    assert_eq!(problem(&response), (413, "payload-too-large".to_owned()));
    assert!(services.calls().is_empty());
}

#[tokio::test]
async fn slots_are_shown_one_by_one_and_in_pages() {
    let services = Memory::new(well);
    let one = Sent::new("GET", "/operator/slots/{slotId}", &[("slotId", SLOT)]);
    let response = one.to(&services, &SAGAS).await;
    assert_eq!((response.status_code, json_of(&response)), (200, slot()));
    let list = Sent::new("GET", "/operator/slots", &[]).query("status", "closed");
    let response = list.query("limit", "100").to(&services, &SAGAS).await;
    assert_eq!(json_of(&response), json!({"items": [slot()], "nextCursor": "c2"}));
    let calls = services.calls();
    assert_eq!(calls[0].1, json!({"query": "slot", "slotId": SLOT}));
    assert_eq!(calls[1].1, json!({"query": "slots", "status": "closed", "limit": 100}));
}

#[tokio::test]
async fn a_slot_is_closed_and_reopened() {
    for (what, command) in [("close", "closeSlot"), ("reopen", "reopenSlot")] {
        let services = Memory::new(well);
        let response = slot_then(what).to(&services, &SAGAS).await;
        assert_eq!((response.status_code, json_of(&response)), (200, slot()));
        assert_eq!(
            services.calls()[0].1,
            json!({"command": command, "slotId": SLOT, "cause": CORRELATION})
        );
    }
}

#[tokio::test]
async fn what_parking_refuses_reaches_the_operator_under_its_slug() {
    for (slug, status) in [("conflict", 409), ("not-found", 404), ("validation", 400)] {
        let services = Memory::new(move |_, _| Reply::Failure(ServiceError::rejected(slug, "no")));
        for sent in [slot_then("close"), slot_then("reopen"), create("A1")] {
            let response = sent.to(&services, &SAGAS).await;
            assert_eq!(problem(&response), (status, slug.to_owned()));
        }
    }
}

#[tokio::test]
async fn bookings_of_all_customers_are_listed() {
    let services = Memory::new(well);
    let sent = Sent::new("GET", "/operator/bookings", &[]).query("status", "checked_out");
    let response = sent.query("cursor", "c1").to(&services, &SAGAS).await;
    assert_eq!(
        json_of(&response),
        json!({"items": [{
            "bookingId": BOOKING, "slotId": SLOT, "customer": "alice", "status": "failed",
            "reason": "payment_declined", "payment": {"mode": "instant"}, "version": 2,
            "createdAt": AT, "updatedAt": AT,
        }]})
    );
    assert_eq!(
        services.calls()[0].1,
        json!({"query": "bookings", "status": "checked_out", "limit": 20, "cursor": "c1"})
    );
}

#[tokio::test]
async fn a_history_is_shown_in_full_or_as_the_state_at_a_version() {
    let services = Memory::new(well);
    let response = booking_of(BOOKING, "events").to(&services, &SAGAS).await;
    assert_eq!((response.status_code, json_of(&response)), (200, history()));
    let state = json!({
        "bookingId": BOOKING, "slotId": SLOT, "status": "pending", "payment": {"mode": "instant"}, "version": 1,
    });
    for (name, value) in [("version", "1"), ("at", AT)] {
        let response = booking_of(BOOKING, "events").query(name, value).to(&services, &SAGAS).await;
        assert_eq!((response.status_code, json_of(&response)), (200, state.clone()));
    }
    let calls = services.calls();
    assert_eq!(calls[1].1["version"], 1);
    assert_eq!(calls[2].1["at"], AT);
}

#[tokio::test]
async fn a_saga_is_shown_step_by_step() {
    let services = Memory::new(well);
    let response = booking_of(BOOKING, "saga").to(&services, &SAGAS).await;
    assert_eq!(
        json_of(&response),
        json!({"status": "running", "steps": [{
            "name": "BlockSlot", "status": "succeeded", "startedAt": AT, "attempts": 1,
        }]})
    );
    assert_eq!(
        problem(&booking_of(SLOT, "saga").to(&services, &SAGAS).await),
        (404, "not-found".to_owned())
    );
    let unreachable = Sagas { reachable: false };
    let response = booking_of(BOOKING, "saga").to(&services, &unreachable).await;
    assert_eq!(problem(&response), (503, "service-unavailable".to_owned()));
}

#[tokio::test]
async fn a_parameter_that_means_nothing_is_400_and_an_id_that_is_none_404() {
    let services = Memory::new(|_, _| down());
    for (resource, name, value) in [
        ("/operator/slots", "status", "free"),
        ("/operator/slots", "limit", "0"),
        ("/operator/slots", "limit", "101"),
        ("/operator/slots", "page", "2"),
        ("/operator/bookings", "status", "reserved"),
        ("/operator/bookings", "limit", "-1"),
        ("/operator/bookings", "cursor", ""),
    ] {
        let response =
            Sent::new("GET", resource, &[]).query(name, value).to(&services, &SAGAS).await;
        assert_eq!(problem(&response), (400, "validation".to_owned()), "{resource}?{name}={value}");
    }
    for (name, value) in
        [("version", "0"), ("version", "x"), ("at", "yesterday"), ("at", "2025-03-12")]
    {
        let response = booking_of(BOOKING, "events").query(name, value).to(&services, &SAGAS).await;
        assert_eq!(problem(&response), (400, "validation".to_owned()), "{name}={value}");
    }
    let both = booking_of(BOOKING, "events").query("version", "1").query("at", AT);
    assert_eq!(problem(&both.to(&services, &SAGAS).await), (400, "validation".to_owned()));
    let body = slot_then("close").body(&json!({"why": "rain"}));
    assert_eq!(problem(&body.to(&services, &SAGAS).await), (400, "validation".to_owned()));
    for sent in [booking_of("x", "events"), booking_of("x", "saga")] {
        assert_eq!(problem(&sent.to(&services, &SAGAS).await), (404, "not-found".to_owned()));
    }
    assert!(services.calls().is_empty());
}

#[tokio::test]
async fn a_projection_is_shown_and_rebuilt_by_its_own_service() {
    for (name, service) in [("bookings", "booking"), ("slots", "parking")] {
        let services = Memory::new(well);
        let mut expected = projection("live");
        expected["name"] = json!(name);
        let response = projection_of("GET", name, "").to(&services, &SAGAS).await;
        assert_eq!((response.status_code, json_of(&response)), (200, expected.clone()));
        expected["status"] = json!("rebuilding");
        let response = projection_of("POST", name, "/rebuild").to(&services, &SAGAS).await;
        assert_eq!((response.status_code, json_of(&response)), (202, expected.clone()));
        expected["status"] = json!("live");
        let sent = projection_of("POST", name, "/rollback").body(&json!({"generation": 1}));
        let response = sent.to(&services, &SAGAS).await;
        assert_eq!((response.status_code, json_of(&response)), (200, expected));
        let rebuild = format!("{service}-rebuild");
        assert_eq!(
            services.calls(),
            [
                (format!("{service}-query"), json!({"query": "projection"})),
                (rebuild.clone(), json!({"command": "beginRebuild"})),
                (rebuild.clone(), json!({"command": "workOnRebuild"})),
                (rebuild, json!({"command": "rollBack", "generation": 1})),
            ]
        );
    }
}

#[tokio::test]
async fn an_unknown_projection_is_404_and_a_generation_that_is_not_kept_409() {
    let services = Memory::new(|_, _| down());
    for (method, what) in [("GET", ""), ("POST", "/rebuild"), ("POST", "/rollback")] {
        for name in ["bills", "Bookings", "bookings2"] {
            let response = projection_of(method, name, what).to(&services, &SAGAS).await;
            assert_eq!(problem(&response), (404, "not-found".to_owned()), "{method} {name}{what}");
        }
    }
    for body in [json!({}), json!({"generation": "1"}), json!({"generation": 1, "x": 1})] {
        let sent = projection_of("POST", "slots", "/rollback").body(&body);
        let response = sent.to(&services, &SAGAS).await;
        assert_eq!(problem(&response), (400, "validation".to_owned()), "{body}");
    }
    assert!(services.calls().is_empty());
    let refusing =
        Memory::new(|_, _| Reply::Failure(ServiceError::rejected("conflict", "not kept")));
    let sent = projection_of("POST", "slots", "/rollback").body(&json!({"generation": 9}));
    assert_eq!(problem(&sent.to(&refusing, &SAGAS).await), (409, "conflict".to_owned()));
}

#[tokio::test]
async fn the_overview_shows_counts_and_projections() {
    let response = Sent::new("GET", "/operator/overview", &[]).to(&Memory::new(well), &SAGAS).await;
    let overview = json_of(&response);
    assert_eq!(overview["bookings"], json!({"pending": 3}));
    assert!(response.headers["Server-Timing"].contains("slots;dur="), "{:?}", response.headers);
    assert_eq!(overview["slots"], json!({"available": 5}));
    assert_eq!(overview["projections"][0]["name"], "bookings");
    assert_eq!(overview["projections"][1]["lagSeconds"], 1);
}

#[tokio::test]
async fn the_overview_shows_queues_and_does_without_them() {
    let queues = Shelf { letters: vec![("booking", letter("1", None, "{}"))], ..Shelf::default() };
    let services = Memory::new(well);
    let overview = || Sent::new("GET", "/operator/overview", &[]);
    let response = json_of(&overview().reaching(&services, &SAGAS, &queues).await);
    let breakers = response["breakers"].as_array().unwrap();
    assert_eq!(breakers.len(), 9);
    assert_eq!(breakers[0], json!({"name": "payment-provider", "state": "half_open"}));
    assert_eq!(response["queues"][0], json!({"name": "booking", "messages": 3, "deadLetters": 1}));
    assert_eq!(response["queues"].as_array().unwrap().len(), QUEUES.len());
    assert_eq!(response.get("degraded"), None);
    let queues = Shelf { unreachable: vec!["booking-publish"], ..Shelf::default() };
    let response = overview().reaching(&services, &SAGAS, &queues).await;
    assert_eq!(response.status_code, 200);
    let response = json_of(&response);
    assert_eq!((&response["queues"], &response["degraded"]), (&json!([]), &json!(["queues"])));
}

fn letter(id: &str, reason: Option<&str>, body: &str) -> DeadLetter {
    DeadLetter {
        message_id: id.to_owned(),
        reason: reason.map(str::to_owned),
        body: body.to_owned(),
        received_at: AT.parse().expect("a time"),
        redrives: 0,
    }
}

#[tokio::test]
async fn a_redriven_message_contains_its_number_of_redrives() {
    let saga = json!({"execution": format!("{BOOKING}-2"), "bookingId": BOOKING});
    let queues = Shelf {
        letters: vec![
            ("booking", letter("1", Some("why"), "{}")),
            ("booking", DeadLetter { redrives: 3, ..letter("2", Some("why"), "{}") }),
            ("booking-publish", letter("3", Some("why"), &saga.to_string())),
        ],
        ..Shelf::default()
    };
    let sent = Sent::new("GET", "/operator/dead-letters", &[]);
    let shown = json_of(&sent.reaching(&Memory::new(|_, _| down()), &SAGAS, &queues).await);
    let counts = [0, 1, 2].map(|at| shown["items"][at].get("redrives").cloned());
    assert_eq!(counts, [None, Some(json!(3)), Some(json!(2))]);
}

#[tokio::test]
async fn one_message_is_discarded_with_a_reason_and_no_other() {
    let letters = vec![("booking", letter("1", None, "{}")), ("booking", letter("2", None, "{}"))];
    let queues = Shelf { letters, unreachable: vec!["parking-publish"], ..Shelf::default() };
    let services = Memory::new(|_, _| down());
    let discard = |queue: &'static str, body: Value| {
        Sent::new("POST", "/operator/dead-letters/{queue}/discard", &[("queue", queue)]).body(&body)
    };
    let good = json!({"messageId": "2", "reason": "the slot never existed"});
    let response = discard("booking", good.clone()).reaching(&services, &SAGAS, &queues).await;
    assert_eq!(
        (response.status_code, json_of(&response)),
        (200, json!({"queue": "booking", "messageId": "2"}))
    );
    assert_eq!(queues.calls(), ["discard 2 of booking"]);
    let too_long = "x".repeat(501);
    for (queue, body, expected) in [
        ("booking", json!({"messageId": "3", "reason": "why not"}), (404, "not-found")),
        ("cars", good.clone(), (404, "not-found")),
        ("parking-publish", good, (503, "service-unavailable")),
        ("booking", json!({"messageId": "2"}), (400, "validation")),
        ("booking", json!({"messageId": "2", "reason": " "}), (400, "validation")),
        ("booking", json!({"messageId": "2", "reason": "a\nb"}), (400, "validation")),
        ("booking", json!({"messageId": "2", "reason": too_long}), (400, "validation")),
        ("booking", json!({"messageId": "", "reason": "why not"}), (400, "validation")),
        ("booking", json!({"messageId": "2", "reason": "x", "force": true}), (400, "validation")),
    ] {
        let before = queues.calls().len();
        let response = discard(queue, body.clone()).reaching(&services, &SAGAS, &queues).await;
        assert_eq!(problem(&response), (expected.0, expected.1.to_owned()), "{body}");
        let is_tried = matches!(expected.0, 503) || body["messageId"] == "3";
        assert_eq!(queues.calls().len() - before, usize::from(is_tried), "{body}");
    }
}

#[tokio::test]
async fn dead_letters_are_shown_with_their_reasons_and_without_what_pays() {
    let record = json!({"reason": "no JSON", "record": {"events": "{\"token\":\"tok_secret\"}"}});
    let queues = Shelf {
        letters: vec![
            ("booking", letter("1", Some("a rule says no"), "{}")),
            ("booking-publish", letter("2", None, &record.to_string())),
        ],
        unreachable: vec!["billing-publish"],
        ..Shelf::default()
    };
    let sent = Sent::new("GET", "/operator/dead-letters", &[]);
    let response = sent.reaching(&Memory::new(|_, _| down()), &SAGAS, &queues).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    assert!(!response.body.contains("tok_secret"), "{}", response.body);
    let shown = json_of(&response);
    let first = json!({
        "queue": "booking", "messageId": "1", "reason": "a rule says no", "body": "{}", "receivedAt": AT,
    });
    assert_eq!(shown["items"][0], first);
    assert_eq!(shown["items"][1]["reason"], "no JSON");
    assert_eq!(shown["degraded"], json!(["billing-publish"]));
}

#[tokio::test]
async fn the_dead_letters_of_one_queue_are_moved_back() {
    let letters = vec![("booking", letter("1", None, "{}")), ("booking", letter("2", None, "{}"))];
    let queues = Shelf { letters, unreachable: vec!["parking-publish"], ..Shelf::default() };
    let services = Memory::new(|_, _| down());
    let redrive = |queue: &'static str| {
        Sent::new("POST", "/operator/dead-letters/{queue}/redrive", &[("queue", queue)])
    };
    let response = redrive("booking").reaching(&services, &SAGAS, &queues).await;
    assert_eq!(
        (response.status_code, json_of(&response)),
        (202, json!({"queue": "booking", "messages": 2}))
    );
    assert_eq!(queues.calls(), ["redrive booking"]);
    for (queue, expected) in [
        ("booking-dead-letters", (404, "not-found".to_owned())),
        ("parking-publish", (503, "service-unavailable".to_owned())),
    ] {
        assert_eq!(problem(&redrive(queue).reaching(&services, &SAGAS, &queues).await), expected);
    }
}

#[tokio::test]
async fn events_are_republished_by_their_own_service() {
    let services = Memory::new(|_, _| down());
    let republish = |service: &'static str, body: Value| {
        Sent::new("POST", "/operator/services/{service}/republish", &[("service", service)])
            .body(&body)
    };
    for (service, request) in [
        ("booking", json!({"aggregate": BOOKING})),
        ("parking", json!({"from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"})),
    ] {
        let queues = Shelf::default();
        let response =
            republish(service, request.clone()).reaching(&services, &SAGAS, &queues).await;
        assert_eq!((response.status_code, json_of(&response)), (202, json!({"service": service})));
        let message = json!({ "republish": request });
        assert_eq!(queues.calls(), [format!("send {message} to {service}-publish")]);
    }
    let queues = Shelf::default();
    for (service, request, expected) in [
        ("customers", json!({"aggregate": BOOKING}), (404, "not-found")),
        ("booking", json!({}), (400, "validation")),
        ("booking", json!({"aggregate": ""}), (400, "validation")),
        ("booking", json!({"aggregate": BOOKING, "from": AT}), (400, "validation")),
        ("booking", json!({"from": AT}), (400, "validation")),
        ("booking", json!({"from": AT, "until": AT}), (400, "validation")),
        ("booking", json!({"from": "monday", "until": AT}), (400, "validation")),
        ("booking", json!({"all": true}), (400, "validation")),
    ] {
        let response =
            republish(service, request.clone()).reaching(&services, &SAGAS, &queues).await;
        assert_eq!(problem(&response), (expected.0, expected.1.to_owned()), "{request}");
    }
    assert_eq!(queues.calls(), [""; 0]);
}

/// A saga that required operator intervention, and its two recoveries.
#[derive(Clone, Copy)]
struct Recovered;

#[async_trait]
impl Workflow for Recovered {
    async fn execution(
        &self,
        machine: StateMachine,
        name: &str,
    ) -> Result<Option<Execution>, ServiceError> {
        let at = AT.parse().expect("a time");
        let ended = |error: &str| StepEvent::Ended { error: Some(error.to_owned()), cause: None };
        let execution = |step: &str, error: &str| Execution {
            status: ExecutionStatus::Failed,
            history: [StepEvent::StepEntered { name: step.to_owned() }, ended(error)]
                .map(|what| HistoryEvent { at, what })
                .to_vec(),
        };
        let number = name.strip_prefix(BOOKING).expect("it is of this booking");
        Ok(match (machine, number) {
            // The name that an earlier release gave to this error.
            (StateMachine::Saga, "") => Some(execution("RefundPayment", "NeedsOperator")),
            (StateMachine::Compensation, "-1") => {
                Some(execution("UnblockSlot", "ManualInterventionRequired"))
            }
            (StateMachine::Compensation, "-2") => Some(execution("FailBooking", "BookingFailed")),
            other => unreachable!("unexpected execution: {other:?}"),
        })
    }
}

#[tokio::test]
async fn a_recovered_saga_is_shown_with_the_steps_of_its_recoveries() {
    let response = booking_of(BOOKING, "saga").to(&Memory::new(well), &Recovered).await;
    let saga = json_of(&response);
    let names: Vec<_> =
        saga["steps"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["RefundPayment", "UnblockSlot", "FailBooking"]);
    assert_eq!(saga["error"], "BookingFailed");
}

#[tokio::test]
async fn an_unreachable_service_is_503() {
    let services = Memory::new(|_, _| down());
    for sent in [
        create("A1"),
        slot_then("close"),
        Sent::new("GET", "/operator/slots", &[]),
        Sent::new("GET", "/operator/bookings", &[]),
        booking_of(BOOKING, "events"),
        projection_of("GET", "slots", ""),
        projection_of("POST", "bookings", "/rebuild"),
        Sent::new("GET", "/operator/overview", &[]),
    ] {
        let response = sent.to(&services, &SAGAS).await;
        assert_eq!(problem(&response), (503, "service-unavailable".to_owned()));
    }
}

#[tokio::test]
async fn every_operation_of_the_document_is_routed_and_no_other() {
    let document = include_str!("../../../../contracts/openapi.yaml");
    let document: Value = serde_yaml_ng::from_str(document).expect("YAML");
    let services = Memory::new(|_, _| down());
    let mut routed = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            // The methods that no route handles.
            if method == "x-amazon-apigateway-any-method" {
                continue;
            }
            let function = operation["x-amazon-apigateway-integration"]["uri"].to_string();
            if !function.contains("OperatorBffFunction") {
                continue;
            }
            let bearer = format!("Bearer {}", token("olga", "operator"));
            if method == "x-amazon-apigateway-any-method" {
                // Another method at the address of a form redirects a browser to its page; any other address is an error page.
                let sent = Sent::new("GET", path, &[]).browser();
                let response = sent.to(&services, &SAGAS).await;
                let is_form = !path.contains("{proxy+}");
                assert_eq!(response.status_code, if is_form { 303 } else { 404 }, "{path}");
                assert!(
                    is_form || response.headers["Content-Type"].starts_with("text/html"),
                    "{path}"
                );
                continue;
            }
            let sent =
                Sent::new(&method.to_uppercase(), path, &[]).header("Authorization", &bearer);
            let response = sent.to(&services, &SAGAS).await;
            assert!(!response.body.contains("no such route"), "{method} {path}");
            assert_ne!(response.status_code, 401, "{method} {path}");
            routed += 1;
        }
    }
    assert!(routed > 40, "the document has been read");
    for (method, resource) in
        [("GET", "/operator/cars"), ("DELETE", "/operator/slots"), ("GET", "")]
    {
        let response = Sent::new(method, resource, &[]).to(&services, &SAGAS).await;
        assert_eq!(problem(&response), (404, "not-found".to_owned()), "{method} {resource}");
    }
}
