//! What a booking's page says of a payment that did not work: which step failed, and where the money is.

use platform::Platform;
use serde_json::{Value, json};

use crate::customer::{booking_shown, customer_name, slot};
use crate::driver::Browser;

/// The steps of the booking, each with its state.
async fn steps(browser: &Browser) -> Value {
    let steps = "return [...document.querySelectorAll('.steps li')].map((it) =>
        `${it.querySelector('.title').textContent}: ${it.querySelector('.state').textContent}`);";
    browser.run(steps).await
}

/// Books a slot by this card, and waits for the end.
async fn book(browser: &Browser, slot: &str, card: &str, end: &str) -> String {
    browser.goto("/web/").await;
    browser.open_slot(slot).await;
    browser.choose("#wanted select", card).await;
    browser.click("#wanted button[type=submit]").await;
    browser.see_in(".head", end).await;
    booking_shown(browser).await
}

#[tokio::test]
async fn a_card_whose_bank_is_down_is_blamed_itself_and_another_card_gets_the_slot() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let (id, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &customer_name()).await;
    let failed = book(&browser, &name, "tok_down", "Failed").await;
    browser.see("The payment provider could not be reached. Nothing was charged.").await;
    let blamed = json!([
        "Booking received: done",
        "Slot held for you: done",
        "Card charged: failed",
        "Slot is yours: skipped",
        "Booking failed: ended",
    ]);
    assert_eq!(steps(&browser).await, blamed);
    platform.slot_becomes(&id, "available").await;
    book(&browser, &name, "tok_visa", "Booked").await;
    let done = json!([
        "Booking received: done",
        "Slot held for you: done",
        "Card charged: done",
        "Slot is yours: done",
        "Checked out: not yet",
    ]);
    assert_eq!(steps(&browser).await, done);
    // The other booking has the slot now; the first one still failed for the same reason.
    browser.goto(&format!("/web/bookings/{failed}")).await;
    browser.see("The payment provider could not be reached. Nothing was charged.").await;
    assert_eq!(steps(&browser).await, blamed);
    browser.close().await;
}

#[tokio::test]
async fn a_card_that_works_at_the_third_try_is_charged_once() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let (id, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &customer_name()).await;
    let booking = book(&browser, &name, "tok_flaky", "Booked").await;
    assert_eq!(platform.money(&format!("{id}:{booking}")).await, (vec![10_000], vec![]));
    browser.close().await;
}

#[tokio::test]
async fn a_card_that_is_declined_is_blamed_and_a_lost_race_is_not() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let (id, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &customer_name()).await;
    book(&browser, &name, "tok_declined", "Failed").await;
    browser.see("Your card was declined. Nothing was charged.").await;
    let blamed = "Card charged: failed";
    assert_eq!(steps(&browser).await[2], blamed);
    platform.slot_becomes(&id, "available").await;
    browser.goto("/web/").await;
    browser.open_slot(&name).await;
    let rival = platform.customer().await;
    let first = rival.book_instant(&id, "tok_visa").await;
    assert_eq!(rival.finished(&first).await["status"], "completed");
    browser.click("#wanted button[type=submit]").await;
    browser.see_in(".head", "Failed").await;
    browser.see("Another customer got this slot first").await;
    let lost = steps(&browser).await;
    assert_eq!(
        (&lost[1], &lost[2]),
        (&json!("Slot held for you: failed"), &json!("Card charged: skipped"))
    );
    browser.close().await;
}
