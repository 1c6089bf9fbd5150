//! The control room's pages, with events as the gateway sends them for a browser.

use std::collections::BTreeSet;

use crate::support::{AT, BOOKING, CORRELATION, SLOT, Sent, Shelf, json_of, problem, token};
use api_gateway::proxy::ProxyAnswer;
use bff::memory::{Memory, Reply};
use bff::pages::assets::{ICON, SCRIPT};
use operator_bff::pages::STYLE;
use operator_bff::queues::FoundLetter;
use operator_bff::workflow::{
    Execution, ExecutionStatus, Happening, HistoryEvent, Machine, Workflow,
};
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
fn well(function: &str, request: &Value) -> Reply {
    let slot =
        || json!({"slotId": SLOT, "name": "Level 2, 14", "status": "reserved", "version": 3});
    let asked = request["command"].as_str().or(request["query"].as_str());
    Reply::Answer(match (function, asked) {
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
        other => unreachable!("nobody should ask {other:?}"),
    })
}

fn down() -> Reply {
    Reply::Failure(ServiceError::transient("not now", "connection refused"))
}

/// One saga of two steps, the second of which was tried twice; or nobody who could tell.
#[derive(Clone, Copy)]
struct Sagas {
    reachable: bool,
}

const SAGAS: Sagas = Sagas { reachable: true };

impl Workflow for Sagas {
    async fn execution(&self, _: Machine, name: &str) -> Result<Option<Execution>, ServiceError> {
        if !self.reachable {
            return Err(ServiceError::transient("not now", "connection refused"));
        }
        let at = |seconds: i64| {
            let begin: jiff::Timestamp = AT.parse().expect("a time");
            begin + jiff::SignedDuration::from_secs(seconds)
        };
        let entered = |name: &str| Happening::StepEntered { name: name.to_owned() };
        let failed = || Happening::AttemptFailed {
            error: "Transient".to_owned(),
            cause: "no answer".to_owned(),
        };
        let history = [
            (0, entered("BlockSlot")),
            (0, Happening::Attempted),
            (1, Happening::AttemptSucceeded),
            (1, Happening::StepLeft),
            (1, entered("AuthorisePayment")),
            (1, Happening::Attempted),
            (2, failed()),
            (3, Happening::Attempted),
            (4, Happening::AttemptSucceeded),
            (4, Happening::StepLeft),
        ]
        .map(|(seconds, what)| HistoryEvent { at: at(seconds), what })
        .to_vec();
        let execution = Execution { status: ExecutionStatus::Succeeded, history };
        Ok((name == BOOKING).then_some(execution))
    }
}

fn letters() -> Shelf {
    let letter = |id: &str, body: Value| FoundLetter {
        message_id: id.to_owned(),
        reason: Some(format!("record is unreadable {EVIL}")),
        body: body.to_string(),
        received_at: AT.parse().expect("a time"),
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
async fn seen(sent: Sent) -> ProxyAnswer {
    let sent = sent.signed_in(&token("olga", "operator"));
    sent.reaching(&Memory::new(well), &SAGAS, &letters()).await
}

// ---- Who may come in -----------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_stranger_is_shown_where_to_sign_in_and_sent_back_afterwards() {
    let nobody = Memory::new(|_, _| down());
    for (sent, to) in [
        (get("/operator"), "./sign-in"),
        (get("/operator/room/slots"), "../sign-in?back=room%2Fslots"),
        (story(), &format!("../../sign-in?back=room%2Fbookings%2F{BOOKING}")),
    ] {
        let answer = sent.browser().to(&nobody, &SAGAS).await;
        assert_eq!((answer.status_code, answer.headers["Location"].as_str()), (303, to));
    }
    let program = get("/operator").browser().header("Accept", "application/json");
    assert_eq!(problem(&program.to(&nobody, &SAGAS).await), (401, "unauthenticated".to_owned()));
    assert!(nobody.asked().is_empty());
}

#[tokio::test]
async fn a_customer_sees_none_of_it_and_changes_nothing() {
    let nobody = Memory::new(|_, _| down());
    let ada = token("ada", "customer");
    for page in PAGES {
        let answer = get(page).signed_in(&ada).to(&nobody, &SAGAS).await;
        assert_eq!(answer.status_code, 403, "{page}");
        assert!(answer.body.contains("This is not for you"));
    }
    for (sent, fields) in forms() {
        let answer = sent.form(&ada, &fields).to(&nobody, &SAGAS).await;
        assert_eq!(answer.status_code, 403);
    }
    assert!(nobody.asked().is_empty());
}

#[tokio::test]
async fn a_session_opens_the_pages_and_no_other_route() {
    let nobody = Memory::new(|_, _| down());
    let olga = token("olga", "operator");
    for route in ["/operator/slots", "/operator/overview", "/operator/dead-letters"] {
        let sent = get(route).signed_in(&olga).header("Accept", "application/json");
        let answer = sent.to(&nobody, &SAGAS).await;
        assert_eq!(problem(&answer), (401, "unauthenticated".to_owned()), "{route}");
    }
    assert!(nobody.asked().is_empty());
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
        (post("circuit-breakers/{name}", &breaker), vec![("word", "open")]),
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
        // From elsewhere, and with another session's proof.
        let from_elsewhere = sent.clone().form(&olga, &fields);
        let from_elsewhere = from_elsewhere.header("Origin", "https://evil.example");
        let forged = sent.clone().form(&token("olga", "operator"), &fields).signed_in(&olga);
        for sent in [from_elsewhere, forged] {
            let answer = sent.reaching(&services, &SAGAS, &queues).await;
            assert_eq!(answer.status_code, 403, "{}", answer.body);
        }
        assert!(services.asked().is_empty() && queues.calls().is_empty());

        let answer = sent.form(&olga, &fields).reaching(&services, &SAGAS, &queues).await;
        assert_eq!(answer.status_code, 303, "{}", answer.body);
        let to = answer.headers["Location"].rsplit("room/").next().unwrap().to_owned();
        let what = services.asked().into_iter().next().map_or_else(
            || queues.calls().remove(0),
            |(function, asked)| format!("{function} {asked}"),
        );
        done.push(format!("{what} → {to}"));
    }
    insta::assert_snapshot!(done.join("\n"));
}

#[tokio::test]
async fn what_a_form_has_done_is_said_and_nothing_else() {
    let told = seen(get("/operator/room/dead-letters").query("done", "redriven")).await;
    assert!(told.body.contains("on their way back to their queue"), "{}", told.body);
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
        .asked()
        .into_iter()
        .filter(|(function, _)| function == "parking-command")
        .map(|(_, asked)| asked["slotId"].to_string())
        .collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_beside_its_field() {
    let services = Memory::new(well);
    let form = Sent::new("POST", "/operator/room/slots", &[]);
    let form = form.form(&token("olga", "operator"), &[("slot", SLOT), ("name", "  ")]);
    let answer = form.to(&services, &SAGAS).await;
    assert_eq!(answer.status_code, 400);
    assert!(answer.body.contains("A name has 1 to 100 characters"), "{}", answer.body);
    assert!(services.asked().iter().all(|(function, _)| function != "parking-command"));
}

#[tokio::test]
async fn a_refusal_is_told_and_an_answer_that_did_not_come_is_not_called_a_failure() {
    for (is_refused, status, text) in
        [(true, 409, "the slot is reserved"), (false, 503, "nobody can tell whether it was done")]
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
        let answer = form.form(&token("olga", "operator"), &[]).to(&services, &SAGAS).await;
        assert_eq!(answer.status_code, status);
        assert!(answer.body.contains(text), "{}", answer.body);
    }
}

// ---- What is seen --------------------------------------------------------------------------------------------------

/// The page, one tag a line, without what no two pages share.
async fn picture(sent: Sent) -> String {
    let olga = token("olga", "operator");
    let sent = sent.signed_in(&olga);
    let answer = sent.reaching(&Memory::new(well), &SAGAS, &letters()).await;
    assert_eq!(answer.status_code, 200, "{}", answer.body);
    let proof = bff::pages::session::Proof(&olga).of_form();
    let body = [(&*STYLE, "STYLE"), (&*SCRIPT, "SCRIPT"), (&*ICON, "ICON")]
        .into_iter()
        .fold(answer.body, |body, (asset, name)| body.replace(asset.path(), name));
    let body = match body.split_once("name=\"slot\" value=\"") {
        Some((before, after)) => format!("{before}name=\"slot\" value=\"NEW{}", &after[36..]),
        None => body,
    };
    body.replace(&proof, "PROOF").replace("><", ">\n<")
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
async fn whatever_does_not_answer_the_rest_of_a_page_is_shown() {
    let olga = token("olga", "operator");
    let queues = Shelf { unreachable: crate::support::QUEUES.to_vec(), ..Shelf::default() };
    let nobody = Memory::new(|_, _| down());
    for page in ["", "/room/dead-letters", "/room/circuit-breakers", "/room/projections"] {
        let sent = get(&format!("/operator{page}")).signed_in(&olga);
        let answer = sent.reaching(&nobody, &Sagas { reachable: false }, &queues).await;
        assert_eq!(answer.status_code, 200, "{page}");
        assert!(answer.body.contains("Nobody answers for"), "{page}: {}", answer.body);
    }
    // The story is told by its events alone as well as by the view alone; by neither, there is none.
    for (up, status) in [("booking-command", 200), ("booking-query", 200), ("parking-query", 503)] {
        let services = Memory::new(
            move |function: &str, request: &Value| {
                if function == up { well(function, request) } else { down() }
            },
        );
        let sent = story().signed_in(&olga);
        let answer = sent.reaching(&services, &Sagas { reachable: false }, &queues).await;
        assert_eq!(answer.status_code, status, "{up}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_booking_that_never_was_is_not_found() {
    let nothing = Memory::new(|_: &str, _: &Value| {
        Reply::Failure(ServiceError::rejected("not-found", "it does not exist"))
    });
    let answer = story().signed_in(&token("olga", "operator")).to(&nothing, &SAGAS).await;
    assert_eq!(answer.status_code, 404, "{}", answer.body);
}

#[tokio::test]
async fn every_page_is_guarded_against_what_a_browser_might_do_with_it() {
    let answer = seen(get("/operator")).await;
    assert!(answer.headers["Content-Security-Policy"].contains("default-src 'none'"));
    assert_eq!(answer.headers["X-Frame-Options"], "DENY");
    assert_eq!(answer.headers["Cache-Control"], "no-store");
    assert!(!answer.body.contains("style=") && !answer.body.contains("onclick"));
}

#[tokio::test]
async fn programs_get_json_where_people_get_pages() {
    let sent = get("/operator/slots");
    let answer = sent.to(&Memory::new(well), &SAGAS).await;
    assert_eq!(json_of(&answer)["items"][0]["slotId"], SLOT);
}
