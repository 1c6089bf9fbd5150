//! What a customer does on their pages.

use platform::{Platform, eventually};
use serde_json::json;
use thirtyfour::Key;
use uuid::Uuid;

use crate::driver::Browser;

/// A slot of a name that people would give, which is nobody else's.
pub(crate) async fn slot(platform: &Platform) -> (String, String) {
    let number = Uuid::new_v4().simple().to_string();
    let name = format!("Level 2, {}", &number[..6]);
    let wish = json!({ "name": name });
    let slot = platform.operator().await.post("/operator/slots", &wish).await.expect(201);
    (slot["slotId"].as_str().unwrap().to_owned(), name)
}

pub(crate) fn somebody() -> String {
    format!("ada-{}", &Uuid::new_v4().simple().to_string()[..6])
}

/// The id of the booking whose page is open.
pub(crate) async fn booking_shown(browser: &Browser) -> String {
    eventually("the booking's page is there", async || {
        let address = browser.driver.current_url().await.ok()?;
        let last = address.path_segments()?.next_back()?.to_owned();
        Uuid::try_parse(&last).is_ok().then_some(last)
    })
    .await
}

#[tokio::test]
async fn a_customer_books_by_card_watches_it_happen_and_checks_out() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let (_, name) = slot(&platform).await;
    for _ in 0..4 {
        // Something to choose from.
        slot(&platform).await;
    }
    let browser = Browser::open(&platform).await;
    browser.goto("/web/").await;
    browser.look("sign-in").await;
    browser.sign_in("/web", &somebody()).await;
    browser.open_slot(&name).await;
    browser.look("slots").await;
    // Slow enough to be watched.
    browser.choose("#wanted select", "tok_slow").await;
    browser.click("#wanted button[type=submit]").await;
    booking_shown(&browser).await;
    browser.see("Under way").await;
    browser.mark().await;
    browser.see_in(".head", "Booked").await;
    browser.see("Slot is yours").await;
    assert!(browser.is_marked().await, "the page has changed without being loaded anew");
    browser.look("booking").await;
    browser.click("form[action$='check-out'] button").await;
    browser.see_in(".head", "Checked out").await;
    browser.goto("/web/bookings").await;
    browser.see("Checked out").await;
    browser.look("my-bookings").await;
    browser.close().await;
}

#[tokio::test]
async fn a_customer_pays_a_bill_in_parts_and_is_told_what_is_wrong_with_an_amount() {
    let platform = Platform::up();
    let (_, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &somebody()).await;
    browser.open_slot(&name).await;
    browser.click("#wanted input[value=invoice]").await;
    browser.click("#wanted button[type=submit]").await;
    let pay = "form[action$='payments']";
    browser.find(&format!("{pay} input[name=amount]")).await;
    // A browser that does not check what is written, as some do not.
    browser.run(&format!("document.querySelector(\"{pay}\").noValidate = true;")).await;
    browser.fill(&format!("{pay} input[name=amount]"), "forty").await;
    browser.click(&format!("{pay} button")).await;
    browser.see("Write an amount such as 40").await;
    browser.fill(&format!("{pay} input[name=amount]"), "40").await;
    browser.click(&format!("{pay} button")).await;
    browser.see("$40.00").await;
    browser.look("bill").await;
    browser.fill(&format!("{pay} input[name=amount]"), "60.00").await;
    browser.click(&format!("{pay} button")).await;
    browser.see_in(".head", "Booked").await;
    browser.close().await;
}

#[tokio::test]
async fn whoever_loses_a_race_is_told_so_where_they_tried_and_pays_nothing() {
    let platform = Platform::up();
    let (slot, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    let who = somebody();
    browser.sign_in("/web", &who).await;
    browser.open_slot(&name).await;
    // Somebody else is faster while the page lies open.
    let rival = platform.customer().await;
    let first = rival.book_instant(&slot, "tok_visa").await;
    assert_eq!(rival.settled(&first).await["status"], "completed");
    browser.click("#wanted button[type=submit]").await;
    browser.see("Somebody else got this slot first").await;
    browser.look("race-lost").await;
    let booking = booking_shown(&browser).await;
    assert_eq!(platform.net(&format!("{slot}:{booking}")).await, 0);
    browser.close().await;
}

#[tokio::test]
async fn a_customer_cancels() {
    let platform = Platform::up();
    let (slot, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &somebody()).await;
    browser.open_slot(&name).await;
    browser.click("#wanted button[type=submit]").await;
    browser.see_in(".head", "Booked").await;
    let booking = booking_shown(&browser).await;
    browser.click("form[action$='cancel'] button").await;
    browser.see_in(".head", "Cancelled").await;
    // The step is shown before it is done, and once it is said to be done, it is.
    browser.see_in(".steps li.done:last-child", "Money returned").await;
    assert_eq!(platform.net(&format!("{slot}:{booking}")).await, 0);
    platform.slot_becomes(&slot, "available").await;
    browser.close().await;
}

#[tokio::test]
async fn a_keyboard_is_enough_to_sign_in_and_to_skip_what_is_the_same_on_each_page() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    browser.goto("/web/sign-in").await;
    let focused =
        async || browser.run("return document.activeElement.outerHTML;").await.to_string();
    browser.find("body").await.send_keys(Key::Tab).await.unwrap();
    assert!(focused().await.contains("Skip to the content"), "{}", focused().await);
    browser.fill("#name", "ada-by-hand").await;
    browser.find("#name").await.send_keys(Key::Enter).await.unwrap();
    browser.see_in(".who", "ada-by-hand").await;
    browser.close().await;
}

#[tokio::test]
async fn the_document_of_all_routes_can_be_read() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    browser.goto("/docs").await;
    browser.click("#book summary").await;
    browser.see("Idempotency-Key").await;
    browser.look("docs").await;
    browser.close().await;
}
