//! Every page and every form, with events as the gateway sends them.

use crate::support::{
    AT, BOOKING, CORRELATION, Entrance, FRESH, HTML, SECRET, SLOT, Sent, World, bill, booking,
    down, event, hidden_fields, json_of, not_found, problem, rejected, sent_to, slot, token, well,
};
use bff::memory::{Memory, Reply};
use serde_json::{Value, json};
use web_bff::memory::OneToken;
use web_bff::session::Proof;

const FORMS: [&str; 3] = ["/payments", "/cancel", "/check-out"];

fn pay_fields(amount: &str) -> [(&'static str, String); 4] {
    [
        ("key", FRESH.to_owned()),
        ("slot", SLOT.to_owned()),
        ("amount", amount.to_owned()),
        ("token", "tok_visa".to_owned()),
    ]
}

async fn pay<S: bff::invoke::Invoke>(
    world: &World<S>,
    amount: &str,
) -> api_gateway::proxy::ProxyAnswer {
    let fields = pay_fields(amount);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.form(Sent::booking("POST", "/payments"), &fields).await
}

fn book_fields<'a>(pay: &'a str, token: &'a str) -> [(&'static str, &'a str); 4] {
    [("key", FRESH), ("slot", SLOT), ("pay", pay), ("token", token)]
}

// ---- The first page ------------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_first_page_shows_free_slots_with_a_form_for_each() {
    let world = World::new(Memory::new(well));
    let answer = world.by_ada(Sent::get("/web")).await;
    assert_eq!(answer.status_code, 200, "{}", answer.body);
    assert_eq!(answer.headers["Content-Type"], "text/html; charset=utf-8");
    let page = &answer.body;
    assert!(page.contains("Level 2, 14") && page.contains("Free"), "{page}");
    let fields = hidden_fields(page, "./bookings");
    assert_eq!(fields["slot"], SLOT);
    assert_eq!(fields["key"], format!("{FRESH}.{SLOT}"));
    assert!(Proof(&world.ada()).is_of_form(&fields["proof"]));
    let asked = world.front.services.asked();
    let slots = asked.iter().find(|(function, _)| function == "parking-query").unwrap();
    assert_eq!(slots.1["status"], "available");
}

#[tokio::test]
async fn the_first_page_goes_on_by_cursor_and_shows_all_slots_on_demand() {
    let world = World::new(Memory::new(well));
    let sent = Sent::get("/web").query("show", "all").query("cursor", "c1");
    let page = world.by_ada(sent).await.body;
    assert!(page.contains("?show=all&amp;cursor=c2"), "{page}");
    let asked = world.front.services.asked();
    let slots = asked.iter().find(|(function, _)| function == "parking-query").unwrap();
    assert_eq!((&slots.1["status"], &slots.1["cursor"]), (&Value::Null, &json!("c1")));
    for (name, value) in [("show", "some"), ("colour", "red"), ("cursor", "")] {
        let answer = world.by_ada(Sent::get("/web").query(name, value)).await;
        assert_eq!(answer.status_code, 400, "{name}={value}");
    }
}

#[tokio::test]
async fn without_slots_the_first_page_says_which_and_goes_on() {
    let empty = |function: &str, request: &Value| match function {
        "parking-query" => Reply::Answer(json!({"items": []})),
        _ => well(function, request),
    };
    let world = World::new(Memory::new(empty));
    assert!(world.by_ada(Sent::get("/web")).await.body.contains("No slot is free just now."));
    let all = world.by_ada(Sent::get("/web").query("show", "all")).await;
    assert!(all.body.contains("There are no slots yet."));
    let end = world.by_ada(Sent::get("/web").query("cursor", "c9")).await;
    assert!(end.body.contains("That was all."));
}

#[tokio::test]
async fn links_work_with_and_without_a_slash_at_the_end() {
    let world = World::new(Memory::new(well));
    let with = world.by_ada(Sent::get("/web")).await.body;
    assert!(with.contains("href=\"./bookings\"") && with.contains("action=\"./bookings\""));
    let without = world.by_ada(Sent::get("/web").path("/web")).await.body;
    assert!(without.contains("href=\"web/bookings\""), "{without}");
}

// ---- Who may come in -----------------------------------------------------------------------------------------------

#[tokio::test]
async fn who_has_not_signed_in_is_shown_where_to_and_comes_back() {
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    let back = format!("?back=bookings%2F{BOOKING}");
    for (sent, expected) in [
        (Sent::get("/web"), "./sign-in".to_owned()),
        (Sent::get("/web/bookings"), "./sign-in?back=bookings".to_owned()),
        (Sent::booking("GET", ""), format!("../sign-in{back}")),
        (Sent::booking("POST", "/cancel").fields(&[]), format!("../../sign-in{back}")),
    ] {
        assert_eq!(sent_to(&world.send(sent).await), expected);
    }
    assert!(world.front.services.asked().is_empty());
}

#[tokio::test]
async fn a_token_that_is_not_good_opens_nothing() {
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    let other = World::new(Memory::new(|_: &str, _: &Value| down()));
    let late = token(&world.issuer, "ada", "customer", -1);
    for bad in [late, other.ada(), "a.b.c".to_owned(), String::new()] {
        let sent = Sent::get("/web/bookings").cookie(world.session(), &bad);
        assert_eq!(sent_to(&world.send(sent).await), "./sign-in?back=bookings");
        let sent = Sent::booking("GET", "").json();
        let sent = sent.header("Authorization", &format!("Bearer {bad}"));
        let answer = world.send(sent).await;
        assert_eq!(problem(&answer), (401, "unauthenticated".to_owned()));
    }
    // A program that names no media type is no person.
    let answer = world.send(Sent::get("/web").header("Accept", "*/*")).await;
    assert_eq!(problem(&answer), (401, "unauthenticated".to_owned()));
    assert!(world.front.services.asked().is_empty());
}

#[tokio::test]
async fn a_bearer_token_opens_what_a_cookie_does_and_goes_before_it() {
    let world = World::new(Memory::new(well));
    let bearer = format!("Bearer {}", world.ada());
    let answer = world.send(Sent::booking("GET", "").json().header("Authorization", &bearer)).await;
    assert_eq!(answer.status_code, 200, "{}", answer.body);
    let sent = Sent::booking("GET", "").json().header("Authorization", "Bearer x");
    assert_eq!(world.by_ada(sent).await.status_code, 401);
}

#[tokio::test]
async fn operators_have_a_door_of_their_own() {
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    let operator = token(&world.issuer, "olga", "operator", 60);
    let sent = || Sent::get("/web").cookie(world.session(), &operator);
    let page = world.send(sent()).await;
    assert_eq!(page.status_code, 403);
    assert!(page.body.contains("This is not for you"));
    assert_eq!(problem(&world.send(sent().json()).await), (403, "forbidden".to_owned()));
}

// ---- What guards the pages -----------------------------------------------------------------------------------------

#[tokio::test]
async fn every_answer_tells_browsers_to_do_nothing_but_what_is_meant() {
    let world = World::new(Memory::new(well));
    let asset = world.by_ada(Sent::get("/web")).await.body;
    let style = asset.split("./assets/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for (sent, status) in [
        (Sent::get("/web"), 200),
        (Sent::get("/web/bookings"), 200),
        (Sent::booking("GET", ""), 200),
        (Sent::booking("GET", "").json(), 200),
        (Sent::get("/web/sign-in"), 200),
        (Sent::get("/web/nowhere"), 404),
        (Sent::booking("POST", "/cancel").fields(&[]), 403),
        (Sent::new("GET", "/web/assets/{name}", &[("name", &style)]), 200),
    ] {
        let answer = world.by_ada(sent).await;
        assert_eq!(answer.status_code, status, "{}", answer.body);
        let policy = &answer.headers["Content-Security-Policy"];
        for directive in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"] {
            assert!(policy.contains(directive), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers["X-Content-Type-Options"], "nosniff");
        assert_eq!(answer.headers["X-Correlation-Id"], CORRELATION);
        assert_eq!(answer.headers["Referrer-Policy"], "same-origin");
        assert!(!answer.headers.contains_key("Access-Control-Allow-Origin"));
        // Nothing inline that the policy would stop, nothing from elsewhere, and no secret.
        let body = &answer.body;
        for word in ["style=\"", "<style", " onclick", " onload", "src=\"http", "href=\"http"] {
            assert!(!body.contains(word), "{word}: {body}");
        }
        assert!(!body.contains(&world.ada()), "{body}");
    }
}

#[tokio::test]
async fn a_page_is_for_one_and_nobody_keeps_it() {
    let world = World::new(Memory::new(well));
    for sent in [Sent::get("/web"), Sent::get("/web/bookings"), Sent::booking("GET", "")] {
        let answer = world.by_ada(sent).await;
        assert_eq!(answer.headers["Cache-Control"], "no-store");
        assert!(answer.headers["Vary"].contains("Cookie"));
    }
}

#[tokio::test]
async fn a_form_that_is_not_our_pages_changes_nothing() {
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    let proof = Proof(&world.ada()).of_form();
    let others = Proof("another").of_form();
    let mut forms: Vec<Sent> = FORMS.iter().map(|it| Sent::booking("POST", it)).collect();
    forms.push(Sent::new("POST", "/web/bookings", &[]));
    forms.push(Sent::new("POST", "/web/sign-out", &[]));
    for form in forms {
        let good = form.clone().fields(&[("proof", &proof)]);
        for sent in [
            form.clone().fields(&[]),
            form.clone().fields(&[("proof", "")]),
            form.clone().fields(&[("proof", &others)]),
            good.clone().header("Origin", "https://evil.example"),
            good.clone().header("Origin", "null"),
            good.clone().header("Sec-Fetch-Site", "cross-site"),
            good.header("Sec-Fetch-Site", "same-site"),
        ] {
            let answer = world.by_ada(sent).await;
            assert_eq!(answer.status_code, 403, "{}", answer.body);
        }
        let json = form.header("Content-Type", "text/plain");
        assert_eq!(world.by_ada(json).await.status_code, 400);
    }
    assert!(world.front.services.asked().is_empty());
}

#[tokio::test]
async fn what_others_have_written_is_text_and_nothing_else() {
    let evil = "<script>alert(1)</script>\"'&";
    let services = Memory::new(move |function: &str, request: &Value| match function {
        "parking-query" => {
            let mut slot = slot();
            slot["name"] = json!(evil);
            Reply::Answer(match request["query"].as_str() {
                Some("slots") => json!({"items": [slot], "nextCursor": evil}),
                _ => slot,
            })
        }
        "billing-query" => {
            let mut bill = bill();
            bill["payments"][1]["reason"] = json!(evil);
            Reply::Answer(bill)
        }
        _ => well(function, request),
    });
    let world = World::new(services);
    for sent in [Sent::get("/web"), Sent::booking("GET", "")] {
        let page = world.by_ada(sent).await.body;
        assert!(
            page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"),
            "{page}"
        );
    }
}

// ---- Booking -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_slot_is_booked_by_card_or_by_invoice_and_seen_at_once() {
    for (pay, payment) in [
        ("card", json!({"mode": "instant", "token": "tok_visa"})),
        ("invoice", json!({"mode": "invoice"})),
    ] {
        let world = World::new(Memory::new(well));
        let form = Sent::new("POST", "/web/bookings", &[]);
        let answer = world.form(form, &book_fields(pay, "tok_visa")).await;
        let (function, asked) = world.front.services.asked().remove(0);
        assert_eq!(function, "booking-command");
        let id = asked["bookingId"].as_str().unwrap();
        assert_eq!(sent_to(&answer), format!("./bookings/{id}?minVersion=2"));
        assert_eq!(
            asked,
            json!({
                "command": "createBooking", "bookingId": id, "customer": "ada", "slotId": SLOT,
                "payment": payment, "cause": CORRELATION,
            })
        );
    }
}

#[tokio::test]
async fn a_form_that_is_sent_twice_books_once() {
    let world = World::new(Memory::new(well));
    let mut ids = Vec::new();
    for fields in [
        book_fields("card", "tok_visa"),
        book_fields("card", "tok_visa"),
        [("key", "another"), ("slot", SLOT), ("pay", "card"), ("token", "tok_visa")],
    ] {
        world.form(Sent::new("POST", "/web/bookings", &[]), &fields).await;
        ids.push(world.front.services.asked().pop().unwrap().1["bookingId"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn why_a_slot_is_not_booked_stands_where_it_was_asked_for() {
    for (reply, status, words, same_key) in [
        (rejected as fn(_, _) -> Reply, 409, "can’t be booked just now", false),
        (|_, _| rejected("idempotency-key-reused", "no"), 422, "sent before", false),
        (|_, _| down(), 503, "it books once only", true),
    ] {
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "booking-command" => reply("conflict", "no"),
            _ => well(function, request),
        });
        let world = World::new(services);
        let form = Sent::new("POST", "/web/bookings", &[]);
        let answer = world.form(form, &[("key", "mine"), ("slot", SLOT), ("pay", "invoice")]).await;
        assert_eq!(answer.status_code, status, "{}", answer.body);
        let page = &answer.body;
        assert!(page.contains(words) && page.contains("role=\"alert\""), "{page}");
        assert!(page.contains("<details open>"), "{page}");
        assert!(page.contains("value=\"invoice\" checked"), "{page}");
        assert_eq!(hidden_fields(page, "./bookings")["key"] == "mine", same_key, "{status}");
    }
}

#[tokio::test]
async fn a_form_that_our_pages_do_not_make_is_400() {
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    for fields in [
        vec![("key", "k"), ("slot", SLOT)],
        vec![("key", "k"), ("slot", "x"), ("pay", "invoice")],
        vec![("key", "k"), ("slot", SLOT), ("pay", "barter")],
        vec![("key", "k"), ("slot", SLOT), ("pay", "card")],
        vec![("key", "k"), ("slot", SLOT), ("pay", "card"), ("token", "a b")],
        vec![("key", ""), ("slot", SLOT), ("pay", "invoice")],
        vec![("key", "k"), ("slot", SLOT), ("pay", "invoice"), ("extra", "1")],
    ] {
        let answer = world.form(Sent::new("POST", "/web/bookings", &[]), &fields).await;
        assert_eq!(answer.status_code, 400, "{fields:?}");
    }
    assert!(world.front.services.asked().is_empty());
}

#[tokio::test]
async fn bookings_are_listed_newest_first_page_by_page() {
    let world = World::new(Memory::new(well));
    let page = world.by_ada(Sent::get("/web/bookings").query("cursor", "b1")).await.body;
    assert!(page.contains(&format!("./bookings/{BOOKING}")), "{page}");
    assert!(page.contains("Under way") && page.contains("./bookings?cursor=b2"));
    let (_, asked) = world.front.services.asked().remove(0);
    assert_eq!((&asked["customer"], &asked["cursor"]), (&json!("ada"), &json!("b1")));
    let none = World::new(Memory::new(|_: &str, _: &Value| Reply::Answer(json!({"items": []}))));
    let page = none.by_ada(Sent::get("/web/bookings")).await.body;
    assert!(page.contains("You have no bookings yet."), "{page}");
}

// ---- One booking ---------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_bookings_page_shows_all_of_it() {
    let world = World::new(Memory::new(well));
    let answer = world.by_ada(Sent::booking("GET", "")).await;
    assert_eq!(answer.status_code, 200, "{}", answer.body);
    let page = &answer.body;
    for word in [
        "Level 2, 14",
        "Booking received",
        "Bill issued",
        "waits for you",
        "$100.00",
        "$40.00",
        "$60.00",
        "Declined",
        "insufficient funds",
        "in 14 min",
        "Cancel booking",
    ] {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert!(!page.contains("Check out<"), "{page}");
    assert!(page.contains("data-again-after=\"5\""), "{page}");
    let fields = hidden_fields(page, &format!("../bookings/{BOOKING}/payments"));
    assert_eq!((fields["slot"].as_str(), fields["key"].as_str()), (SLOT, FRESH));
}

#[tokio::test]
async fn a_booking_as_json_is_all_in_one() {
    let world = World::new(Memory::new(well));
    let answer = world.by_ada(Sent::booking("GET", "").json()).await;
    assert_eq!(answer.status_code, 200, "{}", answer.body);
    assert_eq!(answer.headers["Content-Type"], "application/json");
    let fresh = json!({"status": "fresh"});
    assert_eq!(
        json_of(&answer),
        json!({
            "booking": {
                "bookingId": BOOKING, "slotId": SLOT, "status": "pending", "payment": {"mode": "invoice"},
                "version": 1, "createdAt": AT, "updatedAt": AT,
            },
            "slot": {"slotId": SLOT, "name": "Level 2, 14", "status": "available"},
            "bill": {
                "reference": format!("{SLOT}:{BOOKING}"), "total": "100.00", "paid": "40.00",
                "status": "pending", "dueAt": "2025-03-12T20:01:25Z",
            },
            "payments": [
                {"paymentId": FRESH, "amount": "40.00", "status": "captured", "requestedAt": AT},
                {
                    "paymentId": SLOT, "amount": "60.00", "status": "declined",
                    "reason": "insufficient funds", "requestedAt": AT,
                },
            ],
            "timeline": [{"version": 1, "type": "BookingCreated", "occurredAt": AT}],
            "parts": {"booking": fresh, "parking": fresh, "billing": fresh, "timeline": fresh},
        })
    );
    let tag = answer.headers["ETag"].clone();
    let again = world.by_ada(Sent::booking("GET", "").json().header("If-None-Match", &tag)).await;
    assert_eq!((again.status_code, again.body.as_str()), (304, ""));
}

#[tokio::test]
async fn the_timeline_tells_of_the_same_moment_as_the_booking() {
    let ahead = |function: &str, request: &Value| match function {
        "booking-command" => Reply::Answer(json!({"events": [
            event(1, "BookingCreated"), event(2, "BookingReserved"), event(3, "BookingCompleted"),
        ]})),
        _ => well(function, request),
    };
    let world = World::new(Memory::new(ahead));
    let shown = json_of(&world.by_ada(Sent::booking("GET", "").json()).await);
    assert_eq!(shown["timeline"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_bill_there_are_no_payments() {
    let none = |function: &str, request: &Value| match function {
        "billing-query" => not_found(),
        _ => well(function, request),
    };
    let world = World::new(Memory::new(none));
    let shown = json_of(&world.by_ada(Sent::booking("GET", "").json()).await);
    assert_eq!((shown.get("bill"), &shown["payments"]), (None, &json!([])));
    assert_eq!(shown.get("degraded"), None);
    let page = world.by_ada(Sent::booking("GET", "")).await.body;
    assert!(page.contains("It is being written"), "{page}");
}

#[tokio::test]
async fn anothers_booking_is_not_found_and_tells_nothing() {
    let services = Memory::new(|function: &str, request: &Value| match function {
        "booking-query" => not_found(),
        _ => well(function, request),
    });
    let world = World::new(services);
    let page = world.by_ada(Sent::booking("GET", "")).await;
    assert_eq!(page.status_code, 404);
    assert!(page.body.contains("There is nothing here") && !page.body.contains("Level 2"));
    let json = world.by_ada(Sent::booking("GET", "").json()).await;
    assert_eq!(problem(&json), (404, "not-found".to_owned()));
    let odd = Sent::new("GET", "/web/bookings/{bookingId}", &[("bookingId", "7")]);
    assert_eq!(world.by_ada(odd).await.status_code, 404);
}

#[tokio::test]
async fn a_view_that_is_behind_is_waited_for() {
    let world = World::new(Memory::new(well));
    world.by_ada(Sent::booking("GET", "").query("minVersion", "2")).await;
    let asked = world.front.services.asked();
    let asked = asked.iter().find(|(function, _)| function == "booking-query").unwrap();
    assert_eq!((&asked.1["minVersion"], &asked.1["customer"]), (&json!(2), &json!("ada")));
    let behind = World::new(Memory::new(|function: &str, request: &Value| match function {
        "booking-query" => down(),
        _ => well(function, request),
    }));
    let page = behind.by_ada(Sent::booking("GET", "").query("minVersion", "2")).await;
    assert_eq!(page.status_code, 503);
    assert_eq!(page.headers["Retry-After"], "1");
    // It looks again by itself.
    assert!(page.body.contains("http-equiv=\"refresh\""), "{}", page.body);
}

/// A booking in this state, with this reason, and its events.
fn in_state(status: &str, reason: Option<&str>, events: &[&str]) -> (Value, Value) {
    let mut booking = booking();
    booking["status"] = json!(status);
    booking["version"] = json!(events.len());
    if let Some(reason) = reason {
        booking["reason"] = json!(reason);
    }
    let events = events.iter().zip(1..).map(|(kind, version)| event(version, kind));
    (booking, json!({"events": events.collect::<Vec<_>>()}))
}

#[tokio::test]
async fn what_can_be_done_follows_from_the_state() {
    for (status, reason, cancel, check_out, words) in [
        ("pending", None, true, false, "Under way"),
        ("completed", None, true, true, "Booked"),
        ("failed", Some("slot_unavailable"), false, false, "Somebody else got this slot first"),
        ("failed", Some("payment_declined"), false, false, "Your card was declined"),
        ("failed", Some("payment_unavailable"), false, false, "could not be reached"),
        ("failed", Some("payment_overdue"), false, false, "not paid in time"),
        ("failed", Some("saga_timeout"), false, false, "took too long"),
        ("cancelled", None, false, false, "Cancelled"),
        ("checked_out", None, false, false, "Checked out"),
    ] {
        let (booking, history) = in_state(status, reason, &["BookingCreated", "BookingX"]);
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "booking-query" => Reply::Answer(booking.clone()),
            "booking-command" => Reply::Answer(history.clone()),
            "billing-query" => not_found(),
            _ => well(function, request),
        });
        let page = World::new(services).by_ada(Sent::booking("GET", "")).await.body;
        assert!(page.contains(words), "{status}: {page}");
        let has = |what: &str| page.contains(&format!("../bookings/{BOOKING}/{what}\""));
        assert_eq!((has("cancel"), has("check-out")), (cancel, check_out), "{status}");
        assert!(!has("payments"), "{status}");
    }
}

#[tokio::test]
async fn a_bill_is_paid_in_parts_and_shown_when_it_is() {
    let world = World::new(Memory::new(well));
    let answer = pay(&world, "40").await;
    assert_eq!(sent_to(&answer), format!("../{BOOKING}"));
    let asked = world.front.services.asked();
    let (function, asked) = &asked[0];
    assert_eq!(function, "billing-command");
    assert_eq!(
        *asked,
        json!({
            "command": "payBill", "reference": format!("{SLOT}:{BOOKING}"), "customer": "ada",
            "paymentId": asked["paymentId"], "amount": "40.00", "token": "tok_visa", "cause": CORRELATION,
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_not_shown_before_the_view_knows_of_it_but_not_waited_for_for_ever() {
    for (behind, queries) in [(3_u64, 1), (2, 20)] {
        let services = Memory::new(move |function: &str, request: &Value| {
            let mut bill = bill();
            bill["version"] = json!(if function == "billing-query" { behind } else { 3 });
            if function.starts_with("billing") {
                Reply::Answer(bill)
            } else {
                well(function, request)
            }
        });
        let world = World::new(services);
        assert_eq!(pay(&world, "40.00").await.status_code, 303);
        let asked = world.front.services.asked();
        let seen = asked.iter().filter(|(function, _)| function == "billing-query").count();
        assert_eq!(seen, queries);
    }
}

#[tokio::test(start_paused = true)]
async fn why_a_payment_came_to_nothing_stands_beside_it() {
    for (reply, status, words, same_key, wrong) in [
        (
            (|| rejected("payment-declined", "payment was declined: insufficient_funds"))
                as fn() -> Reply,
            402,
            "Your card was declined (insufficient funds)",
            false,
            "id=\"card\" name=\"token\" aria-invalid",
        ),
        (
            || rejected("conflict", "more than is left"),
            409,
            "more than is left",
            false,
            "aria-describedby=\"amount-hint\" aria-invalid",
        ),
        (not_found, 404, "The bill is not there yet", false, ""),
        (down, 503, "charged once only", true, ""),
    ] {
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "billing-command" => reply(),
            _ => well(function, request),
        });
        let world = World::new(services);
        let fields =
            [("key", "mine"), ("slot", SLOT), ("amount", "59.90"), ("token", "tok_declined")];
        let answer = world.form(Sent::booking("POST", "/payments"), &fields).await;
        assert_eq!(answer.status_code, status, "{}", answer.body);
        let page = &answer.body;
        assert!(page.contains(words), "{page}");
        assert!(page.contains("value=\"59.90\"") && page.contains(wrong), "{page}");
        let blamed = page.matches("aria-invalid").count();
        assert_eq!(blamed, usize::from(!wrong.is_empty()), "{page}");
        assert!(page.contains("value=\"tok_declined\" selected"));
        let fields = hidden_fields(page, &format!("../../bookings/{BOOKING}/payments"));
        assert_eq!(fields["key"] == "mine", same_key, "{status}");
        // Nothing takes the page away while somebody reads why.
        assert!(!page.contains("data-again-after"), "{page}");
    }
}

#[tokio::test]
async fn an_amount_that_is_none_reaches_nobody_who_could_charge_it() {
    let world = World::new(Memory::new(well));
    let answer = pay(&world, "forty").await;
    assert_eq!(answer.status_code, 400);
    assert!(answer.body.contains("Write an amount such as 40"), "{}", answer.body);
    let asked = world.front.services.asked();
    assert!(asked.iter().all(|(function, _)| function != "billing-command"));
}

#[tokio::test]
async fn a_booking_is_cancelled_and_checked_out() {
    for (what, command) in [("/cancel", "cancelBooking"), ("/check-out", "checkOutBooking")] {
        let world = World::new(Memory::new(well));
        let answer = world.form(Sent::booking("POST", what), &[]).await;
        assert_eq!(sent_to(&answer), format!("../{BOOKING}?minVersion=2"));
        let (_, asked) = world.front.services.asked().remove(0);
        assert_eq!((&asked["command"], &asked["customer"]), (&json!(command), &json!("ada")));
    }
}

#[tokio::test]
async fn why_a_booking_is_not_changed_is_told_on_its_page() {
    for (reply, status, words) in [
        (
            (|| rejected("conflict", "booking is over")) as fn() -> Reply,
            409,
            "can’t be cancelled any more",
        ),
        (down, 503, "it does no harm"),
        (not_found, 404, "There is nothing here"),
    ] {
        let services = Memory::new(move |function: &str, request: &Value| {
            match (function, request["command"].as_str()) {
                ("booking-command", Some("cancelBooking")) => reply(),
                _ => well(function, request),
            }
        });
        let answer = World::new(services).form(Sent::booking("POST", "/cancel"), &[]).await;
        assert_eq!(answer.status_code, status);
        assert!(answer.body.contains(words), "{}", answer.body);
    }
}

// ---- Signing in and out --------------------------------------------------------------------------------------------

/// What the sign-in page gives a browser: its cookie, and what belongs in the form.
async fn at_the_door<S: bff::invoke::Invoke>(world: &World<S>) -> String {
    let page = world.send(Sent::get("/web/sign-in").query("back", "bookings")).await;
    assert_eq!(page.status_code, 200, "{}", page.body);
    let cookie = format!(
        "{}={SECRET}; Max-Age=900; HttpOnly; SameSite=Lax",
        world.front.door.cookies.signing_in()
    );
    assert!(page.headers["Set-Cookie"].starts_with(&cookie), "{}", page.headers["Set-Cookie"]);
    let fields = hidden_fields(&page.body, "./sign-in");
    assert_eq!(fields["back"], "bookings");
    fields["proof"].clone()
}

fn signing_in<S: bff::invoke::Invoke>(world: &World<S>, fields: &[(&str, &str)]) -> Sent {
    let sent = Sent::new("POST", "/web/sign-in", &[]);
    sent.cookie(world.front.door.cookies.signing_in(), SECRET).fields(fields)
}

#[tokio::test]
async fn on_a_local_cloud_a_button_signs_anybody_in() {
    let world = World::new(Memory::new(well));
    let proof = at_the_door(&world).await;
    let fields = [("proof", proof.as_str()), ("back", "bookings"), ("name", " grace ")];
    let answer = world.send(signing_in(&world, &fields)).await;
    assert_eq!(sent_to(&answer), "./bookings");
    let cookie = &answer.headers["Set-Cookie"];
    assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    let token = cookie.split(['=', ';']).nth(1).unwrap();
    let page = world.send(Sent::get("/web/bookings").cookie(world.session(), token)).await;
    assert!(page.status_code == 200 && page.body.contains("grace"), "{}", page.body);
}

#[tokio::test]
async fn a_name_that_is_none_and_a_form_from_elsewhere_sign_nobody_in() {
    let world = World::new(Memory::new(well));
    let proof = at_the_door(&world).await;
    for name in ["", "a b", "<script>", "-a"] {
        let fields = [("proof", proof.as_str()), ("name", name)];
        let answer = world.send(signing_in(&world, &fields)).await;
        assert_eq!(answer.status_code, 400);
        assert!(!answer.headers.contains_key("Set-Cookie"));
        assert!(
            answer.body.contains("A name has 1 to 64 letters")
                && !answer.body.contains("<script>\"")
        );
    }
    let good = [("proof", proof.as_str()), ("name", "grace")];
    let without_cookie = Sent::new("POST", "/web/sign-in", &[]).fields(&good);
    for sent in [
        without_cookie,
        signing_in(&world, &[("name", "grace")]),
        signing_in(&world, &[("proof", "x"), ("name", "grace")]),
        signing_in(&world, &good).header("Origin", "https://evil.example"),
    ] {
        let answer = world.send(sent).await;
        assert_eq!(answer.status_code, 403);
        assert!(!answer.headers.contains_key("Set-Cookie"));
    }
}

#[tokio::test]
async fn elsewhere_nobody_is_signed_in_by_a_button() {
    for door in [Entrance::Closed, Entrance::Provider(OneToken::default())] {
        let world = World::with(Memory::new(well), door);
        let fields = [("proof", Proof(SECRET).of_form()), ("name", "grace".to_owned())];
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(world.send(signing_in(&world, &fields)).await.status_code, 404);
        let page = world.send(Sent::get("/web/sign-in")).await;
        assert!(!page.body.contains("name=\"name\""), "{}", page.body);
        assert!(
            page.headers["Set-Cookie"].contains("__Host-")
                && page.headers["Set-Cookie"].contains("Secure")
        );
    }
}

fn provider(code: &str, token: &str) -> Entrance {
    let verifier = Proof(SECRET).verifier();
    Entrance::Provider(OneToken { code: code.to_owned(), verifier, token: token.to_owned() })
}

#[tokio::test]
async fn a_provider_signs_people_in_and_sends_them_back() {
    let world = World::with(Memory::new(well), provider("c1", "good"));
    let go = Sent::get("/web/sign-in").query("go", "provider").query("back", "bookings");
    let answer = world.send(go).await;
    let to = sent_to(&answer).to_owned();
    let redirect = "redirect_uri=https%3A%2F%2Fa1b2c3d4e5.execute-api.us-east-1.amazonaws.com%2Fv1%2Fweb%2Fsigned-in";
    for part in [
        "https://id.example/authorize?response_type=code",
        "client_id=web",
        redirect,
        "scope=openid%20customer",
        &format!("code_challenge={}", Proof(SECRET).challenge()),
        "code_challenge_method=S256",
    ] {
        assert!(to.contains(part), "{part}: {to}");
    }
    assert!(!to.contains(SECRET) && !to.contains(&Proof(SECRET).verifier()));
    let state = to.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let back = Sent::get("/web/signed-in").cookie(world.front.door.cookies.signing_in(), SECRET);
    let back = back.query("code", "c1").query("state", &state).query("session_state", "any");
    let answer = world.send(back).await;
    assert_eq!(sent_to(&answer), "./bookings");
    let cookie = &answer.headers["Set-Cookie"];
    assert!(cookie.starts_with("__Host-parkade-session=") && cookie.contains("Max-Age=600"));
    let token = cookie.split(['=', ';']).nth(1).unwrap();
    let page = world.send(Sent::get("/web").cookie(world.session(), token)).await;
    assert_eq!(page.status_code, 200);
}

#[tokio::test]
async fn who_comes_back_with_something_else_is_not_signed_in() {
    let state = Proof(SECRET).of_state("bookings");
    let others = Proof("another").of_state("bookings");
    for (code, state, cookie, status) in [
        ("c1", others.as_str(), SECRET, 403),
        ("c1", "", SECRET, 403),
        ("c1", state.as_str(), "another", 403),
        ("c2", state.as_str(), SECRET, 401),
        ("", state.as_str(), SECRET, 401),
    ] {
        let world = World::with(Memory::new(well), provider("c1", "good"));
        let sent =
            Sent::get("/web/signed-in").cookie(world.front.door.cookies.signing_in(), cookie);
        let answer = world.send(sent.query("code", code).query("state", state)).await;
        assert_eq!(answer.status_code, status, "{code} {state} {cookie}");
        assert!(!answer.headers.contains_key("Set-Cookie"));
    }
    // A token that the provider gave, but that opens nothing here.
    let world = World::with(Memory::new(well), provider("c1", "not a token"));
    let sent = Sent::get("/web/signed-in").cookie(world.front.door.cookies.signing_in(), SECRET);
    let answer = world.send(sent.query("code", "c1").query("state", &state)).await;
    assert_eq!(answer.status_code, 401);
    assert!(answer.body.contains("does not open these pages"));
}

#[tokio::test]
async fn signing_out_forgets_the_token() {
    let world = World::new(Memory::new(well));
    let answer = world.form(Sent::new("POST", "/web/sign-out", &[]), &[]).await;
    assert_eq!(sent_to(&answer), "sign-in");
    assert!(answer.headers["Set-Cookie"].starts_with("parkade-session=; Max-Age=0;"));
}

// ---- Files and routes ----------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_files_of_a_page_are_there_and_kept_for_ever() {
    let world = World::new(Memory::new(well));
    let page = world.by_ada(Sent::get("/web")).await.body;
    let names: Vec<&str> =
        page.split("./assets/").skip(1).filter_map(|it| it.split('"').next()).collect();
    assert_eq!(names.len(), 3);
    for name in names {
        let answer = world.send(Sent::new("GET", "/web/assets/{name}", &[("name", name)])).await;
        assert_eq!(answer.status_code, 200, "{name}");
        assert_eq!(answer.headers["Cache-Control"], "public, max-age=31536000, immutable");
        assert!(!answer.body.is_empty());
    }
    for name in ["style.css", "..", "%2e%2e%2fCargo.toml", ""] {
        let answer = world.send(Sent::new("GET", "/web/assets/{name}", &[("name", name)])).await;
        assert_eq!(answer.status_code, 404, "{name}");
    }
}

#[tokio::test]
async fn every_operation_of_the_document_is_routed_and_no_other() {
    let document = include_str!("../../../../contracts/openapi.yaml");
    let document: Value = serde_yaml_ng::from_str(document).expect("YAML");
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    let mut routed = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let function = operation["x-amazon-apigateway-integration"]["uri"].to_string();
            if !function.contains("WebBffFunction") {
                continue;
            }
            let sent = Sent::new(&method.to_uppercase(), path, &[]).json();
            let answer = world.form(sent, &[]).await;
            assert!(!answer.body.contains("no such route"), "{method} {path}");
            routed += 1;
        }
    }
    assert_eq!(routed, 12);
    for (method, resource) in [("GET", "/web/cars"), ("DELETE", "/web/bookings"), ("GET", "")] {
        let answer = world.form(Sent::new(method, resource, &[]).header("Accept", HTML), &[]).await;
        assert_eq!(answer.status_code, 404, "{method} {resource}");
        assert!(answer.body.contains("There is nothing here"));
    }
}
