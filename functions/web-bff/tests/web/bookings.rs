//! Booking a slot, and the page of a booking with all that can be done there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{
    AT, BOOKING, CORRELATION, FRESH, Received, Routes as _, SLOT, Sent, World, bill, booking, down,
    event, hidden_fields, not_found, rejected, well,
};
use bff::memory::{Memory, Reply};
use serde_json::{Value, json};

fn pay_fields(amount: &str) -> [(&'static str, String); 4] {
    [
        ("key", FRESH.to_owned()),
        ("slot", SLOT.to_owned()),
        ("amount", amount.to_owned()),
        ("token", "tok_visa".to_owned()),
    ]
}

async fn pay<S: bff::invoke::Invoke + Clone + Send + 'static>(
    world: &World<S>,
    amount: &str,
) -> Received {
    let fields = pay_fields(amount);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.form(Sent::booking("POST", "/payments"), &fields).await
}

fn book_fields<'a>(pay: &'a str, token: &'a str) -> [(&'static str, &'a str); 4] {
    [("key", FRESH), ("slot", SLOT), ("pay", pay), ("token", token)]
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
        let response = world.form(form, &book_fields(pay, "tok_visa")).await;
        let (function, request) = world.services.calls().remove(0);
        assert_eq!(function, "booking-command");
        let id = request["bookingId"].as_str().unwrap();
        assert_eq!(response.see_other(), format!("./bookings/{id}?minVersion=2"));
        assert_eq!(
            request,
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
        ids.push(world.services.calls().pop().unwrap().1["bookingId"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn the_reason_why_a_slot_is_not_booked_is_shown_at_its_form() {
    for (reply, status, words, same_key) in [
        (rejected as fn(_, _) -> Reply, 409, "can’t be booked right now", false),
        (|_, _| rejected("idempotency-key-reused", "no"), 422, "sent before", false),
        (|_, _| down(), 503, "it books once only", true),
    ] {
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "booking-command" => reply("conflict", "no"),
            _ => well(function, request),
        });
        let world = World::new(services);
        let form = Sent::new("POST", "/web/bookings", &[]);
        let response =
            world.form(form, &[("key", "mine"), ("slot", SLOT), ("pay", "invoice")]).await;
        assert_eq!(response.status_code, status, "{}", response.body);
        let page = &response.body;
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
        let response = world.form(Sent::new("POST", "/web/bookings", &[]), &fields).await;
        assert_eq!(response.status_code, 400, "{fields:?}");
    }
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn bookings_are_listed_newest_first_page_by_page() {
    let world = World::new(Memory::new(well));
    let page = world.by_ada(Sent::get("/web/bookings").query("cursor", "b1")).await.body;
    assert!(page.contains(&format!("./bookings/{BOOKING}")), "{page}");
    assert!(page.contains("In progress") && page.contains("./bookings?cursor=b2"));
    let (_, request) = world.services.calls().remove(0);
    assert_eq!((&request["customer"], &request["cursor"]), (&json!("ada"), &json!("b1")));
    let none = World::new(Memory::new(|_: &str, _: &Value| Reply::Response(json!({"items": []}))));
    let page = none.by_ada(Sent::get("/web/bookings")).await.body;
    assert!(page.contains("You have no bookings yet."), "{page}");
}

#[tokio::test]
async fn my_bookings_are_listed_by_the_names_of_their_slots() {
    let world = World::new(Memory::new(well));
    let page = world.by_ada(Sent::get("/web/bookings")).await.body;
    assert!(page.contains(&format!("href=\"./bookings/{BOOKING}\">Level 2, 14</a>")), "{page}");
    let calls = world.services.calls();
    let names = calls.iter().find(|(function, _)| function == "parking-query").unwrap();
    assert_eq!((&names.1["query"], &names.1["slotIds"]), (&json!("slotsById"), &json!([SLOT])));
    // The list is shown without them, too.
    let without = World::new(Memory::new(|function: &str, request: &Value| match function {
        "parking-query" => down(),
        _ => well(function, request),
    }));
    let response = without.by_ada(Sent::get("/web/bookings")).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    assert!(
        response.body.contains("the names of your slots are missing here"),
        "{}",
        response.body
    );
    assert!(response.body.contains("Booking …00000002"), "{}", response.body);
}

#[tokio::test]
async fn a_form_with_an_error_is_shown_also_if_its_slot_is_on_another_page_of_the_list() {
    const OTHER: &str = "0191f7a4-0000-7000-8000-00000000000b";
    let services = Memory::new(|function: &str, request: &Value| {
        match (function, request["query"].as_str()) {
            ("booking-command", _) => rejected("conflict", "no"),
            ("parking-query", Some("slot")) => {
                let mut slot = crate::support::slot();
                slot["slotId"] = json!(OTHER);
                slot["name"] = json!("Roof 7");
                Reply::Response(slot)
            }
            _ => well(function, request),
        }
    });
    let world = World::new(services);
    let fields = [("key", "mine"), ("slot", OTHER), ("pay", "invoice")];
    let page = world.form(Sent::new("POST", "/web/bookings", &[]), &fields).await.body;
    let (first, rest) = page.split_once("</details>").unwrap();
    assert!(first.contains("Roof 7") && first.contains("<details open>"), "{page}");
    assert!(first.contains("can’t be booked right now") && rest.contains("Level 2, 14"), "{page}");
}

// ---- One booking ---------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_bookings_page_shows_all_of_it() {
    let world = World::new(Memory::new(well));
    let response = world.by_ada(Sent::booking("GET", "")).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    let page = &response.body;
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
    assert!(page.contains("data-refresh-after=\"5\""), "{page}");
    let fields = hidden_fields(page, &format!("../bookings/{BOOKING}/payments"));
    assert_eq!((fields["slot"].as_str(), fields["key"].as_str()), (SLOT, FRESH));
}

#[tokio::test]
async fn a_booking_as_json_is_all_in_one() {
    let world = World::new(Memory::new(well));
    let response = world.by_ada(Sent::booking("GET", "").json()).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    assert_eq!(response.headers["Content-Type"], "application/json");
    let fresh = json!({"status": "fresh"});
    assert_eq!(
        response.json(),
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
    let tag = response.headers["ETag"].clone();
    let again = world.by_ada(Sent::booking("GET", "").json().header("If-None-Match", &tag)).await;
    assert_eq!((again.status_code, again.body.as_str()), (304, ""));
}

#[tokio::test]
async fn the_timeline_tells_of_the_same_moment_as_the_booking() {
    let ahead = |function: &str, request: &Value| match function {
        "booking-command" => Reply::Response(json!({"events": [
            event(1, "BookingCreated"), event(2, "BookingReserved"), event(3, "BookingCompleted"),
        ]})),
        _ => well(function, request),
    };
    let world = World::new(Memory::new(ahead));
    let shown = world.by_ada(Sent::booking("GET", "").json()).await.json();
    assert_eq!(shown["timeline"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_bill_there_are_no_payments() {
    let none = |function: &str, request: &Value| match function {
        "billing-query" => not_found(),
        _ => well(function, request),
    };
    let world = World::new(Memory::new(none));
    let shown = world.by_ada(Sent::booking("GET", "").json()).await.json();
    assert_eq!((shown.get("bill"), &shown["payments"]), (None, &json!([])));
    assert_eq!(shown.get("degraded"), None);
    let page = world.by_ada(Sent::booking("GET", "")).await.body;
    assert!(page.contains("Your bill is being created"), "{page}");
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
    assert!(page.body.contains("Page not found") && !page.body.contains("Level 2"));
    let json = world.by_ada(Sent::booking("GET", "").json()).await;
    assert_eq!(json.problem(), (404, "not-found".to_owned()));
    let odd = Sent::new("GET", "/web/bookings/{bookingId}", &[("bookingId", "7")]);
    assert_eq!(world.by_ada(odd).await.status_code, 404);
}

#[tokio::test]
async fn a_view_that_is_behind_is_waited_for() {
    let world = World::new(Memory::new(well));
    world.by_ada(Sent::booking("GET", "").query("minVersion", "2")).await;
    let calls = world.services.calls();
    let call = calls.iter().find(|(function, _)| function == "booking-query").unwrap();
    assert_eq!((&call.1["minVersion"], &call.1["customer"]), (&json!(2), &json!("ada")));
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
        ("pending", None, true, false, "In progress"),
        ("completed", None, true, true, "Booked"),
        ("failed", Some("slot_unavailable"), false, false, "Another customer got this slot first"),
        ("failed", Some("payment_declined"), false, false, "Your card was declined"),
        ("failed", Some("payment_unavailable"), false, false, "could not be reached"),
        ("failed", Some("payment_overdue"), false, false, "not paid in time"),
        ("failed", Some("saga_timeout"), false, false, "took too long"),
        ("cancelled", None, false, false, "Cancelled"),
        ("checked_out", None, false, false, "Checked out"),
    ] {
        let (booking, history) = in_state(status, reason, &["BookingCreated", "BookingX"]);
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "booking-query" => Reply::Response(booking.clone()),
            "booking-command" => Reply::Response(history.clone()),
            "billing-query" => not_found(),
            "billing-command" => Reply::Response(Value::Null),
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
    let response = pay(&world, "40").await;
    assert_eq!(response.see_other(), format!("../../bookings/{BOOKING}"));
    let calls = world.services.calls();
    let (function, request) = &calls[0];
    assert_eq!(function, "billing-command");
    assert_eq!(
        *request,
        json!({
            "command": "payBill", "reference": format!("{SLOT}:{BOOKING}"), "customer": "ada",
            "paymentId": request["paymentId"], "amount": "40.00", "token": "tok_visa", "cause": CORRELATION,
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_shown_when_the_view_has_it_and_the_wait_for_that_is_limited() {
    for (behind, queries) in [(3_u64, 1), (2, 20)] {
        let services = Memory::new(move |function: &str, request: &Value| {
            let mut bill = bill();
            bill["version"] = json!(if function == "billing-query" { behind } else { 3 });
            if function.starts_with("billing") {
                Reply::Response(bill)
            } else {
                well(function, request)
            }
        });
        let world = World::new(services);
        assert_eq!(pay(&world, "40.00").await.status_code, 303);
        let calls = world.services.calls();
        let seen = calls.iter().filter(|(function, _)| function == "billing-query").count();
        assert_eq!(seen, queries);
    }
}

#[tokio::test(start_paused = true)]
async fn the_reason_why_a_payment_failed_is_shown_at_its_form() {
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
            "aria-describedby=\"pay-error amount-hint\" aria-invalid",
        ),
        (not_found, 404, "The bill is not available yet", false, ""),
        (down, 503, "charged once only", true, ""),
    ] {
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "billing-command" => reply(),
            _ => well(function, request),
        });
        let world = World::new(services);
        let fields =
            [("key", "mine"), ("slot", SLOT), ("amount", "59.90"), ("token", "tok_declined")];
        let response = world.form(Sent::booking("POST", "/payments"), &fields).await;
        assert_eq!(response.status_code, status, "{}", response.body);
        let page = &response.body;
        assert!(page.contains(words), "{page}");
        assert!(page.contains("value=\"59.90\"") && page.contains(wrong), "{page}");
        let blamed = page.matches("aria-invalid").count();
        assert_eq!(blamed, usize::from(!wrong.is_empty()), "{page}");
        assert!(page.contains("value=\"tok_declined\" selected"));
        let fields = hidden_fields(page, &format!("../../bookings/{BOOKING}/payments"));
        assert_eq!(fields["key"] == "mine", same_key, "{status}");
        // The page does not reload while the customer reads the reason.
        assert!(!page.contains("data-refresh-after"), "{page}");
    }
}

#[tokio::test]
async fn an_invalid_amount_never_reaches_billing() {
    let world = World::new(Memory::new(well));
    let response = pay(&world, "forty").await;
    assert_eq!(response.status_code, 400);
    assert!(response.body.contains("Enter an amount such as 40"), "{}", response.body);
    let calls = world.services.calls();
    assert!(calls.iter().all(|(function, _)| function != "billing-command"));
}

#[tokio::test]
async fn a_booking_is_cancelled_and_checked_out() {
    for (what, command) in [("/cancel", "cancelBooking"), ("/check-out", "checkOutBooking")] {
        let world = World::new(Memory::new(well));
        let response = world.form(Sent::booking("POST", what), &[]).await;
        assert_eq!(response.see_other(), format!("../../bookings/{BOOKING}?minVersion=2"));
        let (_, request) = world.services.calls().remove(0);
        assert_eq!((&request["command"], &request["customer"]), (&json!(command), &json!("ada")));
    }
}

#[tokio::test]
async fn why_a_booking_is_not_changed_is_shown_on_its_page() {
    for (reply, status, words) in [
        (
            (|| rejected("conflict", "booking is over")) as fn() -> Reply,
            409,
            "can’t be cancelled any more",
        ),
        (down, 503, "it does no harm"),
        (not_found, 404, "Page not found"),
    ] {
        let services = Memory::new(move |function: &str, request: &Value| {
            match (function, request["command"].as_str()) {
                ("booking-command", Some("cancelBooking")) => reply(),
                _ => well(function, request),
            }
        });
        let response = World::new(services).form(Sent::booking("POST", "/cancel"), &[]).await;
        assert_eq!(response.status_code, status);
        assert!(response.body.contains(words), "{}", response.body);
    }
}

// ---- What a page says of the money -----------------------------------------------------------------------------------

#[tokio::test]
async fn a_page_says_that_nothing_was_charged_only_if_billings_write_model_does() {
    for (reply, says) in [
        ((|| Reply::Response(Value::Null)) as fn() -> Reply, "nothing was charged"),
        (down, "If your card was charged"),
    ] {
        let (booking, history) =
            in_state("failed", Some("payment_unavailable"), &["BookingCreated", "BookingFailed"]);
        let services = Memory::new(move |function: &str, request: &Value| match function {
            "booking-query" => {
                let mut booking = booking.clone();
                booking["mode"] = json!("instant");
                Reply::Response(booking)
            }
            "booking-command" => Reply::Response(history.clone()),
            "billing-query" => not_found(),
            "billing-command" => {
                assert_eq!(request["command"], "readBill");
                reply()
            }
            _ => well(function, request),
        });
        let page = World::new(services).by_ada(Sent::booking("GET", "")).await.body.to_lowercase();
        for sentence in ["nothing was charged", "if your card was charged"] {
            assert_eq!(page.contains(sentence), sentence == says.to_lowercase(), "{page}");
        }
        // The slot was held: the saga came as far as the payment.
        let held = page.split("slot held for you").nth(1).unwrap();
        assert!(held.starts_with("</span> <span class=\"state\">done"), "{page}");
    }
}

#[tokio::test]
async fn a_cached_response_without_a_bill_does_not_prove_that_nothing_was_charged() {
    let is_down = Arc::new(AtomicBool::new(false));
    let (booking, history) =
        in_state("failed", Some("payment_unavailable"), &["BookingCreated", "BookingFailed"]);
    let billing = Arc::clone(&is_down);
    let services = Memory::new(move |function: &str, request: &Value| match function {
        "booking-query" => {
            let mut booking = booking.clone();
            booking["mode"] = json!("instant");
            Reply::Response(booking)
        }
        "booking-command" => Reply::Response(history.clone()),
        "billing-query" | "billing-command" if billing.load(Ordering::SeqCst) => down(),
        "billing-query" => not_found(),
        "billing-command" => Reply::Response(Value::Null),
        _ => well(function, request),
    });
    let world = World::new(services);
    let page = async || world.by_ada(Sent::booking("GET", "")).await.body.to_lowercase();
    assert!(page().await.contains("nothing was charged"));
    is_down.store(true, Ordering::SeqCst);
    let page = page().await;
    assert!(!page.contains("nothing was charged"), "{page}");
    assert!(page.contains("if your card was charged"), "{page}");
}

// ---- Payments whose outcome is unknown -------------------------------------------------------------------------------

#[tokio::test]
async fn the_same_form_pays_once_and_another_card_or_amount_is_another_payment() {
    let world = World::new(Memory::new(well));
    let mut ids = Vec::new();
    for (amount, token) in
        [("20", "tok_down"), ("20.00", "tok_down"), ("20", "tok_visa"), ("30", "tok_down")]
    {
        let fields = [("key", "mine"), ("slot", SLOT), ("amount", amount), ("token", token)];
        world.form(Sent::booking("POST", "/payments"), &fields).await;
        let calls = world.services.calls();
        let paid = calls.iter().rfind(|(function, _)| function == "billing-command").unwrap();
        ids.push(paid.1["paymentId"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert!(ids[0] != ids[2] && ids[0] != ids[3] && ids[2] != ids[3], "{ids:?}");
}

/// A bill of 100.00 of which 20.00 are paid and 20.00 are being charged by this payment.
fn bill_in_progress(payment_id: &Value) -> Value {
    let mut bill = bill();
    bill["paid"] = json!("20.00");
    bill["inProgress"] = json!("20.00");
    bill["payments"] = json!([
        {"paymentId": payment_id, "amount": "20.00", "status": "pending", "requestedAt": AT},
    ]);
    bill
}

#[tokio::test(start_paused = true)]
async fn a_payment_without_an_outcome_is_shown_as_being_checked_and_the_next_form_is_a_new_attempt()
{
    let payment = Arc::new(std::sync::Mutex::new(Value::Null));
    let services = Memory::new(move |function: &str, request: &Value| match function {
        "billing-command" => {
            *payment.lock().unwrap() = request["paymentId"].clone();
            down()
        }
        "billing-query" => Reply::Response(bill_in_progress(&payment.lock().unwrap())),
        _ => well(function, request),
    });
    let world = World::new(services);
    let fields = [("key", "mine"), ("slot", SLOT), ("amount", "20"), ("token", "tok_down")];
    let response = world.form(Sent::booking("POST", "/payments"), &fields).await;
    assert_eq!(response.status_code, 503);
    let page = &response.body;
    assert!(page.contains("Your payment of $20.00 is being checked"), "{page}");
    assert!(page.contains("<dt>Being checked</dt><dd>$20.00</dd>"), "{page}");
    assert!(page.contains("<strong>$60.00</strong>") && page.contains("$60.00 at most"), "{page}");
    let form = hidden_fields(page, &format!("../../bookings/{BOOKING}/payments"));
    assert_eq!(form["key"], FRESH);
    assert!(page.contains("name=\"amount\" value=\"60.00\""), "{page}");
}

#[tokio::test]
async fn a_page_offers_no_payment_that_billing_would_reject_or_that_leads_to_no_slot() {
    type Change = fn(&mut Value, &mut Value);
    let cases: [(Change, &str); 6] = [
        (|_, _| {}, "id=\"pay\""),
        (|bill, _| bill["inProgress"] = json!("60.00"), "is being checked"),
        (|bill, _| bill["dueAt"] = json!("2025-03-12T19:47:25Z"), "overdue"),
        (|_, slot| slot["status"] = json!("reserved"), "Another customer got this slot first"),
        (|_, slot| slot["status"] = json!("blocked"), "Another customer is booking this slot"),
        (|_, slot| slot["status"] = json!("closed"), "This slot was closed"),
    ];
    for (change, says) in cases {
        let services = Memory::new(move |function: &str, request: &Value| {
            let (mut bill, mut slot) = (bill(), crate::support::slot());
            change(&mut bill, &mut slot);
            match (function, request["query"].as_str()) {
                ("billing-query", _) => Reply::Response(bill),
                ("parking-query", Some("slot")) => Reply::Response(slot),
                _ => well(function, request),
            }
        });
        let page = World::new(services).by_ada(Sent::booking("GET", "")).await.body;
        assert!(page.contains(says), "{says}: {page}");
        assert_eq!(page.contains("id=\"pay\""), says == "id=\"pay\"", "{says}: {page}");
    }
}

#[tokio::test]
async fn an_amount_beyond_what_is_left_is_rejected_with_what_is_left() {
    let services = Memory::new(|function: &str, request: &Value| match function {
        "billing-command" => rejected("conflict", "payments would exceed the total of the bill"),
        _ => well(function, request),
    });
    let response = pay(&World::new(services), "60.01").await;
    assert_eq!(response.status_code, 409);
    assert!(response.body.contains("You can pay $60.00 at most."), "{}", response.body);
}

#[tokio::test]
async fn every_id_that_describes_a_field_exists_with_an_error_and_without_one() {
    let services = Memory::new(|function: &str, request: &Value| match function {
        "billing-command" => rejected("conflict", "no"),
        _ => well(function, request),
    });
    let world = World::new(services);
    for page in [pay(&world, "40").await.body, world.by_ada(Sent::booking("GET", "")).await.body] {
        for list in page.split("aria-describedby=\"").skip(1) {
            for id in list.split('"').next().unwrap().split(' ') {
                assert!(page.contains(&format!("id=\"{id}\"")), "{id}: {page}");
            }
        }
        assert!(!page.contains("aria-errormessage"), "{page}");
    }
}

#[tokio::test]
async fn cancelling_and_checking_out_require_a_confirmation() {
    let (booking, history) = in_state("completed", None, &["BookingCreated", "BookingCompleted"]);
    let services = Memory::new(move |function: &str, request: &Value| match function {
        "booking-query" => Reply::Response(booking.clone()),
        "booking-command" => Reply::Response(history.clone()),
        _ => well(function, request),
    });
    let page = World::new(services).by_ada(Sent::booking("GET", "")).await.body;
    for (id, confirm) in [("cancel", "Yes, cancel this booking"), ("check-out", "Yes, check out")] {
        let from = page.split(&format!("<details class=\"confirmation\" id=\"{id}\">")).nth(1);
        let details = from.and_then(|it| it.split("</details>").next()).unwrap();
        assert!(details.contains(confirm), "{details}");
        let action = format!("action=\"../bookings/{BOOKING}/{id}\"");
        assert!(details.contains(&action) && page.matches(&action).count() == 1, "{page}");
    }
}

#[tokio::test]
async fn a_booking_whose_outcome_is_unknown_says_so_and_keeps_its_key_though_no_slot_can_be_shown()
{
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    let sent = Sent::new("POST", "/web/bookings", &[]);
    let response = world.form(sent, &book_fields("invoice", "")).await;
    assert_eq!(response.status_code, 503);
    let page = &response.body;
    assert!(page.contains("so we don’t know whether it worked. Send it again"), "{page}");
    let form = hidden_fields(page, "./bookings");
    assert_eq!((form["key"].as_str(), form["slot"].as_str()), (FRESH, SLOT));
    assert!(!page.contains("up to date"), "{page}");
}
