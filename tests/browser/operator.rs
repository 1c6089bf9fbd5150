//! What an operator sees and does in the operator console.

use platform::{Platform, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::customer::{customer_name, slot};
use crate::driver::Browser;

/// A window of an operator who has signed in.
pub(crate) async fn console(platform: &Platform) -> Browser {
    let browser = Browser::open(platform).await;
    browser.sign_in("/operator", "olga").await;
    browser
}

/// Sends a message to a dead-letter queue; returns its id.
pub(crate) async fn dead_letter(platform: &Platform, queue: &str, body: &str) -> String {
    let name = format!("parkade-local-{queue}-dead-letters");
    let url = platform.sqs().get_queue_url().queue_name(name).send().await.unwrap();
    let put = platform.sqs().send_message().set_queue_url(url.queue_url).message_body(body);
    put.send().await.unwrap().message_id.unwrap()
}

/// Discards a message whose reason is filled in. Another test that looks at the queue hides the message for a moment: then it
/// is tried again.
pub(crate) async fn discard_now(browser: &Browser, id: &str) {
    let discard = format!("#discard-{id}");
    eventually("the message is discarded", async || {
        browser.click(&format!("{discard} button")).await;
        let is_deleted = eventually("the page answers", async || {
            let text = browser.text("main").await;
            let is_deleted = text.contains("The message is deleted");
            (is_deleted || text.contains("no longer there")).then_some(is_deleted)
        })
        .await;
        if is_deleted {
            return Some(());
        }
        browser.open_discard(id).await;
        browser.fill(&format!("{discard} input[name=reason]"), "it is no JSON").await;
        None
    })
    .await;
}

#[tokio::test]
async fn an_operator_watches_bookings_go_by_and_reads_their_stories() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let customer = platform.caller("customer", &customer_name(), &[]).await;
    let (id, name) = slot(&platform).await;
    let browser = console(&platform).await;
    browser.see("Overview").await;
    browser.mark().await;
    let booking = customer.book_instant(&id, "tok_visa").await;
    assert_eq!(customer.finished(&booking).await["status"], "completed");
    let end = &booking[booking.len() - 8..];
    browser.see(end).await;
    assert!(browser.is_marked().await, "the page has changed without being reloaded");
    browser.look("overview").await;
    browser.click(&format!("a[href$='{booking}']")).await;
    browser.see("AuthorisePayment").await;
    for text in [&name, "BookingCreated", "BookingCompleted", "Captured", "$100.00"] {
        browser.see(text).await;
    }
    browser.click("a[href$='version=1']").await;
    browser.see("At version 1").await;
    browser.see("Pending").await;
    // The same by the slider.
    browser.run("document.getElementById('version').value = 2;").await;
    browser.click("form[method=get] button").await;
    browser.see("At version 2").await;
    browser.goto("/operator/room/bookings?status=completed").await;
    browser.see(end).await;

    // A provider that does not answer: a story of retries and compensations.
    let (id, _) = slot(&platform).await;
    let lost = customer.book_instant(&id, "tok_down").await;
    assert_eq!(customer.finished(&lost).await["status"], "failed");
    browser.goto(&format!("/operator/room/bookings/{lost}")).await;
    for text in ["Failed", "tries", "RefundPayment", "UnblockSlot", "payment unavailable"] {
        browser.see(text).await;
    }
    browser.see_in("#saga + .badge", "Failed").await;
    browser.look("story").await;
    browser.close().await;
}

#[tokio::test]
async fn an_operator_adds_closes_and_reopens_a_slot() {
    let platform = Platform::up();
    let browser = console(&platform).await;
    browser.goto("/operator/room/slots").await;
    let name = format!("Level 3, {}", &Uuid::new_v4().simple().to_string()[..6]);
    browser.fill("#name", &name).await;
    browser.click("form.inline button").await;
    browser.see("The slot is there.").await;
    browser.look("operator-slots").await;
    let slots = platform.operator().await;
    let slot = eventually("the slot is listed", async || {
        let mut page = slots.get("/operator/slots?limit=100").await.expect(200);
        loop {
            let found = page["items"].as_array().unwrap().iter().find(|it| it["name"] == name);
            if let Some(found) = found {
                return found["slotId"].as_str().map(str::to_owned);
            }
            let next = page["nextCursor"].as_str()?.to_owned();
            page = slots.get(&format!("/operator/slots?limit=100&cursor={next}")).await.expect(200);
        }
    })
    .await;
    let form = |what: &str| format!("form[action$='{slot}/{what}'] button");
    while !browser.is_there(&form("close")).await {
        browser.click("a[rel=next]").await;
    }
    browser.click(&form("close")).await;
    browser.see("The slot is closed.").await;
    platform.slot_becomes(&slot, "closed").await;
    browser.goto("/operator/room/slots?status=closed").await;
    while !browser.is_there(&form("reopen")).await {
        browser.click("a[rel=next]").await;
    }
    browser.click(&form("reopen")).await;
    browser.see("The slot is open again.").await;
    platform.slot_becomes(&slot, "available").await;
    browser.close().await;
}

#[tokio::test]
async fn an_operator_redrives_a_dead_letter() {
    let platform = Platform::up();
    let mark = Uuid::new_v4().to_string();
    // A due reminder of a booking that does not exist: processed again, it does nothing, and is gone.
    let event = json!({
        "version": "0", "id": Uuid::new_v4(), "detail-type": "NobodyKnowsThis", "source": "parkade.billing",
        "account": "000000000000", "time": "2026-01-01T12:00:00Z", "region": "us-east-1", "resources": [],
        "detail": {
            "id": Uuid::now_v7(), "schemaVersion": 1, "occurredAt": "2026-01-01T12:00:00Z",
            "correlationId": Uuid::now_v7(), "causationId": Uuid::now_v7(), "subject": mark, "sequence": 1,
            "type": "NobodyKnowsThis", "data": {},
        },
    });
    dead_letter(&platform, "booking", &event.to_string()).await;
    let browser = console(&platform).await;
    browser.goto("/operator/room/dead-letters").await;
    browser.see("Content").await;
    browser.look("dead-letters").await;
    // Listing the messages hides them for a moment: retry until the redrive has moved this one.
    eventually("the letter has left", async || {
        browser.click("form[action$='/booking/redrive'] button").await;
        browser.see("on their way back to their queue").await;
        let shown = platform.operator().await.get("/operator/dead-letters").await.expect(200);
        let is_ours = |it: &Value| it["body"].as_str().unwrap().contains(&mark);
        let has_left = !shown["items"].as_array().unwrap().iter().any(is_ours);
        has_left.then_some(())
    })
    .await;
    browser.close().await;
}

#[tokio::test]
async fn an_operator_discards_a_message_that_keeps_coming_back_with_a_reason() {
    let platform = Platform::up();
    let mark = Uuid::new_v4().to_string();
    let id = dead_letter(&platform, "billing", &format!("no JSON {mark}")).await;
    let browser = console(&platform).await;
    let discard = format!("#discard-{id}");
    browser.open_discard(&id).await;
    browser.look("discard").await;
    browser.fill(&format!("{discard} input[name=reason]"), "it is no JSON").await;
    discard_now(&browser, &id).await;
    let shown = platform.operator().await.get("/operator/dead-letters").await.expect(200);
    assert!(!shown.to_string().contains(&mark), "{shown}");
    browser.close().await;
}

#[tokio::test]
async fn an_operator_opens_a_circuit_and_resets_it() {
    let platform = Platform::up();
    let browser = console(&platform).await;
    browser.goto("/operator/room/circuit-breakers").await;
    // One that no other page needs.
    browser.click("#open-parking-rebuild > summary").await;
    browser.see("All instances reject every call to parking-rebuild").await;
    browser.look("force-open").await;
    let circuit = async || {
        let shown = platform.operator().await.get("/operator/circuit-breakers").await.expect(200);
        let items = shown["items"].as_array().unwrap();
        items.iter().find(|it| it["name"] == "parking-rebuild").unwrap().clone()
    };
    assert_eq!(circuit().await["state"], "closed", "nothing is done before the yes");
    browser.click("#open-parking-rebuild button").await;
    browser.see("The override applies to every call that starts at least one second later").await;
    browser.see("Forced open: every call is rejected").await;
    browser.see("by olga").await;
    browser.look("circuit-breakers").await;
    browser.goto("/operator/").await;
    browser.see("Circuit of parking-rebuild").await;
    browser.goto("/operator/room/circuit-breakers").await;
    browser.click("form[action$='circuit-breakers/parking-rebuild/reset'] button").await;
    browser.see("The circuit is closed, and no override is set.").await;
    browser.goto("/operator/").await;
    eventually("the circuit is closed", async || {
        (!browser.text("main").await.contains("Circuit of parking-rebuild")).then_some(())
    })
    .await;
    browser.close().await;
}

#[tokio::test]
async fn an_operator_rebuilds_a_projection() {
    let platform = Platform::up();
    let browser = console(&platform).await;
    browser.goto("/operator/room/projections").await;
    browser.look("projections").await;
    browser.click("form[action$='bookings/rebuild'] button").await;
    browser.see("A new generation is being built").await;
    browser.close().await;
    let operator = platform.operator().await;
    eventually("the rebuild is done", async || {
        let shown = operator.get("/operator/projections/bookings").await.expect(200);
        (shown["status"] == "live").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_of_a_customer_does_not_open_the_operator_console() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &customer_name()).await;
    browser.goto("/operator/").await;
    browser.see("you are that operator").await;
    browser.close().await;
}

#[tokio::test]
async fn every_page_of_the_operator_console_fits_every_screen() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let customer = platform.caller("customer", &customer_name(), &[]).await;
    let (id, _) = slot(&platform).await;
    let lost = customer.book_instant(&id, "tok_down").await;
    assert_eq!(customer.finished(&lost).await["status"], "failed");
    let browser = console(&platform).await;
    let story = format!("room/bookings/{lost}?version=2");
    for page in [
        "",
        "room/bookings",
        &story,
        "room/slots",
        "room/dead-letters",
        "room/circuit-breakers",
        "room/projections",
    ] {
        browser.goto(&format!("/operator/{page}")).await;
        // What is folded away may be too wide as well.
        browser.run("for (const it of document.querySelectorAll('details')) it.open = true;").await;
        browser.check_all(page).await;
    }
    browser.close().await;
}
