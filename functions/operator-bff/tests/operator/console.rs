//! The pages of the operator console, with events as the gateway sends them for a browser.

use std::collections::BTreeSet;

use crate::support::{
    AT, BOOKING, CORRELATION, OperatorRequest as _, Received, SECRET, SLOT, Sent, Shelf, json_of,
    problem, token,
};
use async_trait::async_trait;
use bff::memory::{Memory, Reply};
use operator_bff::queues::DeadLetter;
use operator_bff::views::STYLE;
use operator_bff::workflow::{
    Execution, ExecutionStatus, HistoryEvent, StateMachine, StepEvent, Workflow,
};
use pages::assets::{ICON, SCRIPT};
use serde_json::{Value, json};
use service_error::ServiceError;

const EVIL: &str = "<script>alert(1)</script>\"'&";

fn booking(status: &str) -> Value {
    json!({
        "bookingId": BOOKING, "slotId": SLOT, "customer": "ada", "status": status, "mode": "instant",
        "version": 2, "createdAt": AT, "updatedAt": AT,
    })
}

fn projection() -> Value {
    json!({
        "status": "live", "applied": 7, "lagSeconds": 1, "generation": 2, "previous": 1, "compared": 7,
        "healed": 0, "different": 0,
    })
}

fn breaker() -> Value {
    json!({
        "name": "payment-provider", "state": "open", "failureRate": 0.6, "openedAt": AT,
        "openUntil": "2025-03-12T19:47:55Z",
        "history": [{"at": AT, "from": "closed", "to": "open", "reason": "quorum", "by": "00000000000000ff"}],
    })
}

/// Services at their best.
pub(crate) fn well(function: &str, request: &Value) -> Reply {
    let slot =
        || json!({"slotId": SLOT, "name": "Level 2, 14", "status": "reserved", "version": 3});
    let operation = request["command"].as_str().or(request["query"].as_str());
    Reply::Response(match (function, operation) {
        ("booking-query", Some("booking")) => booking("completed"),
        ("booking-query", Some("bookings")) => {
            json!({"items": [booking("pending")], "nextCursor": "b2"})
        }
        ("booking-query", Some("overview")) => json!({
            "counts": {"pending": 3, "completed": 1000}, "countedUpTo": 1000, "projection": projection(),
        }),
        ("parking-query", Some("overview")) => {
            json!({"counts": {"available": 5}, "countedUpTo": 1000, "projection": projection()})
        }
        ("booking-query" | "parking-query", Some("projection"))
        | ("booking-rebuild" | "parking-rebuild", _) => projection(),
        ("parking-query", Some("slots")) => json!({"items": [slot(), {
            "slotId": CORRELATION, "name": EVIL, "status": "available", "version": 1,
        }]}),
        ("parking-query" | "parking-command", _) => slot(),
        ("billing-breaker", _) => breaker(),
        ("billing-query", _) => json!({
            "reference": format!("{SLOT}:{BOOKING}"), "customer": "ada", "total": "1100.00", "paid": "1100.00",
            "status": "paid", "version": 3, "payments": [
                {"paymentId": SLOT, "amount": "1100.00", "status": "declined", "reason": EVIL, "requestedAt": AT},
                {"paymentId": BOOKING, "amount": "1100.00", "status": "captured", "requestedAt": AT},
            ],
        }),
        ("booking-command", _) if request.get("version").is_some() => json!({
            "bookingId": BOOKING, "status": "pending", "version": 1, "slotId": SLOT, "mode": "instant",
        }),
        ("booking-command", _) => json!({"events": [
            {
                "id": CORRELATION, "version": 1, "type": "BookingCreated", "occurredAt": AT,
                "correlationId": BOOKING, "causationId": CORRELATION, "data": {"slotId": SLOT, "note": EVIL},
            },
            {
                "id": SLOT, "version": 2, "type": "BookingCompleted", "occurredAt": AT,
                "correlationId": BOOKING, "causationId": CORRELATION, "data": {},
            },
        ]}),
        other => unreachable!("unexpected call: {other:?}"),
    })
}

fn down() -> Reply {
    Reply::Failure(ServiceError::transient("not now", "connection refused"))
}

/// One saga of two steps, the second of which was tried twice; or Step Functions is unreachable.
#[derive(Clone, Copy)]
pub(crate) struct Sagas {
    pub(crate) reachable: bool,
}

pub(crate) const SAGAS: Sagas = Sagas { reachable: true };

#[async_trait]
impl Workflow for Sagas {
    async fn execution(
        &self,
        _: StateMachine,
        name: &str,
    ) -> Result<Option<Execution>, ServiceError> {
        if !self.reachable {
            return Err(ServiceError::transient("not now", "connection refused"));
        }
        let at = |seconds: i64| {
            let begin: jiff::Timestamp = AT.parse().expect("a time");
            begin + jiff::SignedDuration::from_secs(seconds)
        };
        let entered = |name: &str| StepEvent::StepEntered { name: name.to_owned() };
        let failed = || StepEvent::AttemptFailed {
            error: "Transient".to_owned(),
            cause: "no response".to_owned(),
        };
        let history = [
            (0, entered("BlockSlot")),
            (0, StepEvent::Attempted),
            (1, StepEvent::AttemptSucceeded),
            (1, StepEvent::StepLeft),
            (1, entered("AuthorisePayment")),
            (1, StepEvent::Attempted),
            (2, failed()),
            (3, StepEvent::Attempted),
            (4, StepEvent::AttemptSucceeded),
            (4, StepEvent::StepLeft),
        ]
        .map(|(seconds, what)| HistoryEvent { at: at(seconds), what })
        .to_vec();
        let execution = Execution { status: ExecutionStatus::Succeeded, history };
        Ok((name == BOOKING).then_some(execution))
    }
}

pub(crate) fn letters() -> Shelf {
    let letter = |id: &str, body: Value| DeadLetter {
        message_id: id.to_owned(),
        reason: Some(format!("record is unreadable {EVIL}")),
        body: body.to_string(),
        received_at: AT.parse().expect("a time"),
        redrives: 2,
    };
    let its = letter("m1", json!({"bookingId": BOOKING, "token": "tok_secret"}));
    let others = letter("m2", json!({"bookingId": SLOT}));
    Shelf { letters: vec![("booking-publish", its), ("booking", others)], ..Shelf::default() }
}

fn get(page: &str) -> Sent {
    Sent::new("GET", page, &[])
}

fn story() -> Sent {
    Sent::new("GET", "/operator/room/bookings/{bookingId}", &[("bookingId", BOOKING)])
}

const PAGES: [&str; 6] = [
    "/operator",
    "/operator/room/bookings",
    "/operator/room/slots",
    "/operator/room/dead-letters",
    "/operator/room/circuit-breakers",
    "/operator/room/projections",
];

/// What olga sees, all being well.
async fn seen(sent: Sent) -> Received {
    let sent = sent.signed_in(&token("olga", "operator"));
    sent.reaching(&Memory::new(well), &SAGAS, &letters()).await
}

// ---- Who may come in -----------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_user_without_a_session_is_sent_to_the_sign_in_page_and_back_afterwards() {
    let services = Memory::new(|_, _| down());
    for (sent, to) in [
        (get("/operator"), "./sign-in"),
        (get("/operator/room/slots"), "../sign-in?back=room%2Fslots"),
        (story(), &format!("../../sign-in?back=room%2Fbookings%2F{BOOKING}")),
    ] {
        let response = sent.browser().to(&services, &SAGAS).await;
        assert_eq!((response.status_code, response.headers["Location"].as_str()), (303, to));
    }
    let program = get("/operator").browser().header("Accept", "application/json");
    assert_eq!(problem(&program.to(&services, &SAGAS).await), (401, "unauthenticated".to_owned()));
    assert!(services.calls().is_empty());
}

#[tokio::test]
async fn a_customer_sees_none_of_it_and_changes_nothing() {
    let services = Memory::new(|_, _| down());
    let ada = token("ada", "customer");
    for page in PAGES {
        let response = get(page).signed_in(&ada).to(&services, &SAGAS).await;
        assert_eq!(response.status_code, 403, "{page}");
        assert!(response.body.contains("Not allowed"));
    }
    for (sent, fields) in forms() {
        let response = sent.form(&ada, &fields).to(&services, &SAGAS).await;
        assert_eq!(response.status_code, 403);
    }
    assert!(services.calls().is_empty());
}

#[tokio::test]
async fn a_session_opens_the_pages_and_no_other_route() {
    let services = Memory::new(|_, _| down());
    let olga = token("olga", "operator");
    for route in ["/operator/slots", "/operator/overview", "/operator/dead-letters"] {
        let sent = get(route).signed_in(&olga).header("Accept", "application/json");
        let response = sent.to(&services, &SAGAS).await;
        assert_eq!(problem(&response), (401, "unauthenticated".to_owned()), "{route}");
    }
    assert!(services.calls().is_empty());
}

/// Every form there is, and what a page would send with it.
fn forms() -> Vec<(Sent, Vec<(&'static str, &'static str)>)> {
    let post = |route: &str, parameters: &[(&str, &str)]| {
        Sent::new("POST", &format!("/operator/room/{route}"), parameters)
    };
    let slot = [("slotId", SLOT)];
    let breaker = [("name", "payment-provider")];
    let projection = [("name", "bookings")];
    vec![
        (post("slots", &[]), vec![("slot", SLOT), ("name", "Level 2, 14")]),
        (post("slots/{slotId}/close", &slot), vec![]),
        (post("slots/{slotId}/reopen", &slot), vec![]),
        (post("dead-letters/{queue}/redrive", &[("queue", "booking-publish")]), vec![]),
        (
            post("dead-letters/{queue}/discard", &[("queue", "booking")]),
            vec![("message", "m2"), ("reason", "no such slot")],
        ),
        (post("circuit-breakers/{name}", &breaker), vec![("word", "open")]),
        (post("circuit-breakers/{name}", &breaker), vec![("word", "closed")]),
        (post("circuit-breakers/{name}/reset", &breaker), vec![]),
        (post("projections/{name}/rebuild", &projection), vec![]),
        (post("projections/{name}/rollback", &projection), vec![("generation", "1")]),
    ]
}

#[tokio::test]
async fn a_form_does_what_it_says_once_it_comes_from_a_page_of_ours() {
    let olga = token("olga", "operator");
    let mut done = Vec::new();
    for (sent, fields) in forms() {
        let (services, queues) = (Memory::new(well), letters());
        // From another site, and with the CSRF token of another user.
        let from_elsewhere = sent.clone().form(&olga, &fields);
        let from_elsewhere = from_elsewhere.header("Origin", "https://evil.example");
        let csrf = pages::csrf_token(SECRET, "ada");
        let forged: Vec<_> =
            [("proof", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
        let forged = sent.clone().fields(&forged).signed_in(&olga);
        for sent in [from_elsewhere, forged] {
            let response = sent.reaching(&services, &SAGAS, &queues).await;
            assert_eq!(response.status_code, 403, "{}", response.body);
        }
        assert!(services.calls().is_empty() && queues.calls().is_empty());

        let response = sent.form(&olga, &fields).reaching(&services, &SAGAS, &queues).await;
        assert_eq!(response.status_code, 303, "{}", response.body);
        let to = response.headers["Location"].rsplit("room/").next().unwrap().to_owned();
        let what = services.calls().into_iter().next().map_or_else(
            || queues.calls().remove(0),
            |(function, request)| format!("{function} {request}"),
        );
        done.push(format!("{what} → {to}"));
    }
    insta::assert_snapshot!(done.join("\n"));
}

#[tokio::test]
async fn an_action_that_stops_calls_or_deletes_requires_one_confirmation_and_no_script() {
    for (page, label, field) in [
        ("/operator/room/circuit-breakers", "Force open…", "name=\"word\" value=\"open\""),
        ("/operator/room/dead-letters", "Discard…", "name=\"reason\" required"),
    ] {
        let page = seen(get(page)).await.body;
        let confirmations: Vec<_> = page.split("<details class=\"confirmation\"").skip(1).collect();
        assert!(!confirmations.is_empty(), "{page}");
        for form in &confirmations {
            let (summary, rest) = form.split_once("</summary>").unwrap();
            assert!(summary.contains(label), "{summary}");
            assert!(rest.split("</details>").next().unwrap().contains(field), "{rest}");
        }
        // Nowhere else.
        assert_eq!(page.matches(field).count(), confirmations.len(), "{page}");
    }
}

#[tokio::test]
async fn a_reason_that_is_none_is_refused_and_nothing_is_deleted() {
    let form =
        Sent::new("POST", "/operator/room/dead-letters/{queue}/discard", &[("queue", "booking")]);
    let queues = letters();
    let form = form.form(&token("olga", "operator"), &[("message", "m2"), ("reason", " ")]);
    let response = form.reaching(&Memory::new(well), &SAGAS, &queues).await;
    assert_eq!(response.status_code, 400);
    assert!(
        response.body.contains("a reason has 1 to 500 characters in one line"),
        "{}",
        response.body
    );
    assert!(queues.calls().iter().all(|it| !it.starts_with("discard")));
    // A refresh would send the form again, or take the reason away before it was read.
    assert!(!response.body.contains("data-refresh-after"), "{}", response.body);
}

#[tokio::test]
async fn a_message_that_is_gone_is_no_missing_page() {
    let form =
        Sent::new("POST", "/operator/room/dead-letters/{queue}/discard", &[("queue", "booking")]);
    let form = form.form(&token("olga", "operator"), &[("message", "m7"), ("reason", "why not")]);
    let response = form.reaching(&Memory::new(well), &SAGAS, &letters()).await;
    assert_eq!(response.status_code, 404);
    assert!(response.body.contains("no longer there"), "{}", response.body);
    assert!(response.body.contains("m2"), "the other messages are shown");
}

#[tokio::test]
async fn a_redriven_message_shows_how_often_it_was_redriven() {
    let page = seen(get("/operator/room/dead-letters")).await.body;
    assert!(page.contains("redriven 2 times"), "{page}");
}

#[tokio::test]
async fn a_link_with_an_invalid_cursor_is_a_bad_link_and_no_outage() {
    let services = Memory::new(|_: &str, _: &Value| {
        Reply::Failure(ServiceError::rejected("validation", "cursor is not one of this list's"))
    });
    for page in ["/operator/room/bookings", "/operator/room/slots"] {
        let sent = get(page).query("cursor", "zzz").signed_in(&token("olga", "operator"));
        let response = sent.to(&services, &SAGAS).await;
        assert_eq!(response.status_code, 400, "{page}: {}", response.body);
        assert!(response.headers["Content-Type"].starts_with("text/html"), "{page}");
    }
}

// ---- Breakers ------------------------------------------------------------------------------------------------------

/// The card of billing's breaker, which is in this state a minute after what has happened.
async fn card(breaker: Value) -> String {
    let services = Memory::new(move |function: &str, request: &Value| match function {
        "billing-breaker" => Reply::Response(breaker.clone()),
        _ => well(function, request),
    });
    let sent = get("/operator/room/circuit-breakers").signed_in(&token("olga", "operator"));
    let page = sent.to(&services, &SAGAS).await.body;
    page.split("</li>").next().expect("a split has a first part").to_owned()
}

#[tokio::test]
async fn what_an_instance_decides_alone_is_shown() {
    let trip = json!({
        "instance": "00000000000000ff", "since": AT, "until": "2025-03-12T19:47:45Z", "failureRate": 0.8,
        "slowRate": 0.1,
    });
    let card = card(json!({
        "name": "payment-provider", "state": "closed", "failureRate": 0.0, "localTrips": [trip], "votes": 1,
        "vetoedAt": "2025-03-12T19:47:20Z", "history": [],
    }))
    .await;
    for text in [
        "00000000000000ff",
        "rejects its own calls",
        "80 % of them failed",
        "10 % were slow",
        "in 20 s",
        "Votes to open",
        "vetoed by a healthy instance 5 s ago",
    ] {
        assert!(card.contains(text), "{text}: {card}");
    }
}

#[tokio::test]
async fn a_probe_that_is_due_is_never_said_to_be_in_the_past() {
    for (state, until, text) in [
        ("open", "2025-03-12T19:47:55Z", "with the first call in 30 s"),
        ("open", "2025-03-12T19:47:03Z", "with the next call"),
        ("half_open", "2025-03-12T19:47:30Z", "in progress, times out in 5 s"),
        ("half_open", "2025-03-12T19:47:03Z", "no response; the next call probes again"),
    ] {
        let card = card(json!({
            "name": "payment-provider", "state": state, "failureRate": 0.6, "openedAt": AT, "openUntil": until,
            "history": [],
        }))
        .await;
        assert!(card.contains(text), "{state} {until}: {card}");
        assert!(card.contains("Failures when it opened"), "{card}");
        assert!(!card.contains("22 s ago"), "{card}");
    }
}

// ---- Money ---------------------------------------------------------------------------------------------------------

/// A saga of which these steps are known: name, tries, whether the last one succeeded; none is still running.
#[derive(Clone)]
struct Steps(ExecutionStatus, Vec<(&'static str, u32, Option<bool>)>);

#[async_trait]
impl Workflow for Steps {
    async fn execution(
        &self,
        _: StateMachine,
        name: &str,
    ) -> Result<Option<Execution>, ServiceError> {
        let mut history = Vec::new();
        for (name, tries, succeeded) in &self.1 {
            history.push(StepEvent::StepEntered { name: (*name).to_owned() });
            for number in 1..=*tries {
                history.push(StepEvent::Attempted);
                match succeeded {
                    Some(true) if number == *tries => history.push(StepEvent::AttemptSucceeded),
                    None if number == *tries => continue,
                    _ => history.push(StepEvent::AttemptFailed {
                        error: "Transient".to_owned(),
                        cause: json!({"errorMessage": json!({
                            "slug": "service-unavailable", "detail": "the circuit is open",
                        }).to_string()})
                        .to_string(),
                    }),
                }
            }
            if succeeded.is_some() {
                history.push(StepEvent::StepLeft);
            }
        }
        let at = AT.parse().expect("a time");
        let history = history.into_iter().map(|what| HistoryEvent { at, what }).collect();
        Ok((name == BOOKING).then_some(Execution { status: self.0, history }))
    }
}

#[tokio::test]
async fn why_there_is_no_bill_is_what_the_saga_says() {
    let services = Memory::new(|function: &str, request: &Value| match function {
        "billing-query" => {
            Reply::Failure(ServiceError::rejected("not-found", "bill does not exist"))
        }
        _ => well(function, request),
    });
    let (running, failed) = (ExecutionStatus::Running, ExecutionStatus::Failed);
    let block = ("BlockSlot", 1, Some(true));
    for (saga, texts) in [
        (
            Steps(
                failed,
                vec![
                    block,
                    ("AuthorisePayment", 2, Some(false)),
                    ("RefundPayment", 1, Some(true)),
                    ("UnblockSlot", 1, Some(true)),
                ],
            ),
            vec![
                "AuthorisePayment was tried 2 times and failed (the circuit is open)",
                "no money is held",
            ],
        ),
        (
            Steps(
                failed,
                vec![
                    block,
                    ("AuthorisePayment", 3, Some(false)),
                    ("RefundPayment", 4, Some(false)),
                ],
            ),
            vec!["tried 3 times", "check the payment provider’s ledger"],
        ),
        (
            Steps(failed, vec![("BlockSlot", 1, Some(false)), ("UnblockSlot", 1, Some(true))]),
            vec!["the saga ended before AuthorisePayment"],
        ),
        (Steps(running, vec![("BlockSlot", 1, None)]), vec!["has not reached AuthorisePayment"]),
        (
            Steps(running, vec![block, ("AuthorisePayment", 1, None)]),
            vec!["AuthorisePayment is running, tried once"],
        ),
        (
            Steps(running, vec![block, ("AuthorisePayment", 2, Some(true))]),
            vec!["billing’s view does not show the bill yet"],
        ),
    ] {
        let sent = story().signed_in(&token("olga", "operator"));
        let page = sent.to(&services, &saga).await.body;
        for text in texts {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(!page.contains("did not come that far"), "{page}");
    }
    // Without the saga the outcome is unknown, and the page says so.
    let sent = story().signed_in(&token("olga", "operator"));
    let page = sent.to(&services, &Sagas { reachable: false }).await.body;
    assert!(page.contains("it is unknown whether a payment was tried"), "{page}");
}

#[tokio::test]
async fn what_a_form_has_done_is_said_and_nothing_else() {
    let page = seen(get("/operator/room/dead-letters").query("done", "redriven")).await;
    assert!(page.body.contains("on their way back to their queue"), "{}", page.body);
    assert_eq!(seen(get("/operator/room/slots").query("done", EVIL)).await.status_code, 400);
}

#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one_slot() {
    let olga = token("olga", "operator");
    let page = seen(get("/operator/room/slots")).await.body;
    let slot = page.split("name=\"slot\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let services = Memory::new(well);
    for _ in 0..2 {
        let form = Sent::new("POST", "/operator/room/slots", &[]);
        let form = form.form(&olga, &[("slot", slot), ("name", "Level 2, 14")]);
        assert_eq!(form.to(&services, &SAGAS).await.status_code, 303);
    }
    let ids: BTreeSet<String> = services
        .calls()
        .into_iter()
        .filter(|(function, _)| function == "parking-command")
        .map(|(_, request)| request["slotId"].to_string())
        .collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn an_invalid_name_is_rejected_with_a_message_at_its_field() {
    let services = Memory::new(well);
    let form = Sent::new("POST", "/operator/room/slots", &[]);
    let form = form.form(&token("olga", "operator"), &[("slot", SLOT), ("name", "  ")]);
    let response = form.to(&services, &SAGAS).await;
    assert_eq!(response.status_code, 400);
    assert!(response.body.contains("A name has 1 to 100 characters"), "{}", response.body);
    assert!(services.calls().iter().all(|(function, _)| function != "parking-command"));
}

#[tokio::test]
async fn a_rejection_is_shown_and_a_missing_response_is_shown_as_unknown() {
    for (is_refused, status, text) in
        [(true, 409, "the slot is reserved"), (false, 503, "the outcome is unknown")]
    {
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "parking-command" if is_refused => {
                Reply::Failure(ServiceError::rejected("conflict", "the slot is reserved"))
            }
            "parking-command" => down(),
            _ => well(function, request),
        });
        let route = "/operator/room/slots/{slotId}/close";
        let form = Sent::new("POST", route, &[("slotId", SLOT)]);
        let response = form.form(&token("olga", "operator"), &[]).to(&services, &SAGAS).await;
        assert_eq!(response.status_code, status);
        assert!(response.body.contains(text), "{}", response.body);
    }
}

// ---- What is seen --------------------------------------------------------------------------------------------------

/// The page, one tag a line, without the parts that differ in every response.
async fn picture(sent: Sent) -> String {
    let olga = token("olga", "operator");
    let sent = sent.signed_in(&olga);
    let response = sent.reaching(&Memory::new(well), &SAGAS, &letters()).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    let csrf = pages::csrf_token(SECRET, "olga");
    let body = [(&*STYLE, "STYLE"), (&*SCRIPT, "SCRIPT"), (&*ICON, "ICON")]
        .into_iter()
        .fold(response.body, |body, (asset, name)| body.replace(asset.path(), name));
    let body = match body.split_once("name=\"slot\" value=\"") {
        Some((before, after)) => format!("{before}name=\"slot\" value=\"NEW{}", &after[36..]),
        None => body,
    };
    body.replace(&csrf, "CSRF").replace("><", ">\n<")
}

#[tokio::test]
async fn the_overview() {
    insta::assert_snapshot!(picture(get("/operator")).await);
}

#[tokio::test]
async fn a_story() {
    insta::assert_snapshot!(picture(story().query("version", "1")).await);
}

#[tokio::test]
async fn the_slots() {
    insta::assert_snapshot!(picture(get("/operator/room/slots")).await);
}

#[tokio::test]
async fn the_breakers() {
    let page = picture(get("/operator/room/circuit-breakers")).await;
    // The first one tells all; the others are alike.
    insta::assert_snapshot!(page.split("</li>\n<li class=\"card\"").next().unwrap());
}

#[tokio::test]
async fn what_others_have_written_is_text_and_what_pays_is_not_shown() {
    let story = story();
    for sent in PAGES.map(get).into_iter().chain([story]) {
        let page = seen(sent).await.body;
        assert!(!page.contains("<script>alert") && !page.contains("tok_secret"), "{page}");
    }
}

#[tokio::test]
async fn a_story_names_the_dead_letters_that_name_it() {
    let page = seen(story()).await.body;
    assert!(page.contains("m1") && !page.contains("m2"), "{page}");
}

#[tokio::test]
async fn a_page_is_shown_without_the_services_that_do_not_respond() {
    let olga = token("olga", "operator");
    let queues = Shelf { unreachable: crate::support::QUEUES.to_vec(), ..Shelf::default() };
    let services = Memory::new(|_, _| down());
    for page in ["", "/room/dead-letters", "/room/circuit-breakers", "/room/projections"] {
        let sent = get(&format!("/operator{page}")).signed_in(&olga);
        let response = sent.reaching(&services, &Sagas { reachable: false }, &queues).await;
        assert_eq!(response.status_code, 200, "{page}");
        assert!(response.body.contains("Currently unavailable"), "{page}: {}", response.body);
    }
    // The events alone are enough for the page, and so is the view alone. Without both there is none.
    for (up, status) in [("booking-command", 200), ("booking-query", 200), ("parking-query", 503)] {
        let services = Memory::new(
            move |function: &str, request: &Value| {
                if function == up { well(function, request) } else { down() }
            },
        );
        let sent = story().signed_in(&olga);
        let response = sent.reaching(&services, &Sagas { reachable: false }, &queues).await;
        assert_eq!(response.status_code, status, "{up}: {}", response.body);
    }
}

#[tokio::test]
async fn a_booking_that_never_was_is_not_found() {
    let nothing = Memory::new(|_: &str, _: &Value| {
        Reply::Failure(ServiceError::rejected("not-found", "it does not exist"))
    });
    let response = story().signed_in(&token("olga", "operator")).to(&nothing, &SAGAS).await;
    assert_eq!(response.status_code, 404, "{}", response.body);
}

#[tokio::test]
async fn every_page_is_guarded_against_what_a_browser_might_do_with_it() {
    let response = seen(get("/operator")).await;
    assert!(response.headers["Content-Security-Policy"].contains("default-src 'none'"));
    assert_eq!(response.headers["X-Frame-Options"], "DENY");
    assert_eq!(response.headers["Cache-Control"], "no-store");
    assert!(!response.body.contains("style=") && !response.body.contains("onclick"));
}

#[tokio::test]
async fn programs_get_json_where_people_get_pages() {
    let sent = get("/operator/slots");
    let response = sent.to(&Memory::new(well), &SAGAS).await;
    assert_eq!(json_of(&response)["items"][0]["slotId"], SLOT);
}
