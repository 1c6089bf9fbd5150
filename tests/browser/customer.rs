//! What a customer does on their pages.

use platform::{Platform, eventually};
use serde_json::json;
use thirtyfour::Key;
use uuid::Uuid;

use crate::driver::Browser;

/// A slot with a realistic and unique name.
pub(crate) async fn slot(platform: &Platform) -> (String, String) {
    let number = Uuid::new_v4().simple().to_string();
    let name = format!("Level 2, {}", &number[..6]);
    let request = json!({ "name": name });
    let slot = platform.operator().await.post("/operator/slots", &request).await.expect(201);
    (slot["slotId"].as_str().unwrap().to_owned(), name)
}

pub(crate) fn customer_name() -> String {
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
    browser.sign_in("/web", &customer_name()).await;
    browser.open_slot(&name).await;
    browser.look("slots").await;
    // Slow enough to be watched.
    browser.choose("#wanted select", "tok_slow").await;
    browser.click("#wanted button[type=submit]").await;
    booking_shown(&browser).await;
    browser.see("In progress").await;
    browser.mark().await;
    browser.see_in(".head", "Booked").await;
    browser.see("Slot is yours").await;
    assert!(browser.is_marked().await, "the page has changed without being reloaded");
    browser.look("booking").await;
    browser.click("#check-out summary").await;
    browser.see("You leave the slot").await;
    browser.look("check-out").await;
    browser.click("form[action$='check-out'] button").await;
    browser.see_in(".head", "Checked out").await;
    browser.goto("/web/bookings").await;
    browser.see("Checked out").await;
    browser.see(&name).await;
    browser.look("my-bookings").await;
    browser.close().await;
}

#[tokio::test]
async fn a_customer_pays_a_bill_in_parts_and_sees_what_is_wrong_with_an_amount() {
    let platform = Platform::up();
    let (_, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &customer_name()).await;
    browser.open_slot(&name).await;
    browser.click("#wanted input[value=invoice]").await;
    browser.click("#wanted button[type=submit]").await;
    let pay = "form[action$='payments']";
    browser.find(&format!("{pay} input[name=amount]")).await;
    browser.do_not_validate(pay).await;
    browser.fill(&format!("{pay} input[name=amount]"), "forty").await;
    browser.click(&format!("{pay} button")).await;
    browser.see("Enter an amount such as 40").await;
    let described = "const field = document.getElementById('amount');
        return field.getAttribute('aria-describedby').split(' ').every((id) => document.getElementById(id))
            && field.getAttribute('aria-invalid') === 'true' && !field.hasAttribute('aria-errormessage');";
    assert_eq!(browser.run(described).await, json!(true), "the error is announced with its field");
    browser.look("amount-error").await;
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
async fn a_customer_who_loses_a_race_sees_that_on_the_same_page_and_pays_nothing() {
    let platform = Platform::up();
    let (slot, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    let who = customer_name();
    browser.sign_in("/web", &who).await;
    browser.open_slot(&name).await;
    // Another customer is faster while the page is open.
    let rival = platform.customer().await;
    let first = rival.book_instant(&slot, "tok_visa").await;
    assert_eq!(rival.finished(&first).await["status"], "completed");
    browser.click("#wanted button[type=submit]").await;
    browser.see("Another customer got this slot first").await;
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
    browser.sign_in("/web", &customer_name()).await;
    browser.open_slot(&name).await;
    browser.click("#wanted button[type=submit]").await;
    browser.see_in(".head", "Booked").await;
    let booking = booking_shown(&browser).await;
    // By the keyboard, and only after it was confirmed.
    let cancel = browser.find("#cancel summary").await;
    cancel.send_keys(Key::Enter).await.unwrap();
    browser.see("You give the slot up").await;
    assert!(browser.text(".head").await.contains("Booked"));
    browser.find("#cancel button").await.send_keys(Key::Enter).await.unwrap();
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

/// The width of a small phone, and what a page is at 1280 px when it is enlarged to 400 %.
const NARROW: (u32, u32) = (320, 700);

#[tokio::test]
async fn a_payment_without_an_outcome_is_shown_as_being_checked_and_the_rest_can_be_paid() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let (_, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &customer_name()).await;
    browser.open_slot(&name).await;
    browser.click("#wanted input[value=invoice]").await;
    browser.click("#wanted button[type=submit]").await;
    browser.fill("#amount", "20").await;
    browser.choose("#card", "tok_down").await;
    browser.click("#pay button").await;
    browser.see("Your payment of $20.00 is being checked").await;
    browser.see_in("#amount-hint", "$80.00 at most").await;
    browser.look("payment-being-checked").await;
    // Another card, at once.
    browser.choose("#card", "tok_visa").await;
    browser.click("#pay button").await;
    browser.see("The outcome of your payment is being checked").await;
    assert!(!browser.is_there("#pay").await, "nothing is left to pay");
    browser.check("payment-being-checked", NARROW).await;
    browser.close().await;
}

#[tokio::test]
async fn an_invoice_for_a_slot_that_another_customer_got_offers_no_payment() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let (slot, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &customer_name()).await;
    browser.open_slot(&name).await;
    browser.click("#wanted input[value=invoice]").await;
    browser.click("#wanted button[type=submit]").await;
    browser.find("#pay").await;
    let rival = platform.customer().await;
    let first = rival.book_instant(&slot, "tok_visa").await;
    assert_eq!(rival.finished(&first).await["status"], "completed");
    browser.see("Another customer got this slot first").await;
    assert!(!browser.is_there("#pay").await);
    browser.look("invoice-slot-taken").await;
    browser.close().await;
}

#[tokio::test]
async fn an_address_that_no_page_has_is_a_page_that_leads_on() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    for path in ["/web/nope", "/web/nope/nope", "/operator/nope", "/nope", "/nope/nope"] {
        browser.goto(path).await;
        browser.find("main h1").await;
        assert!(browser.is_there("header a[href$='web/'], header a.brand").await, "{path}");
    }
    browser.goto("/web/nope").await;
    browser.look("not-found").await;
    browser.goto("/").await;
    browser.look("start").await;
    browser.click("main a[href$='web/']").await;
    browser.see("Sign in").await;
    browser.sign_in("/web", &customer_name()).await;
    browser.goto("/web/bookings?cursor=zzz").await;
    browser.see("Bad link or form").await;
    browser.goto("/web/?cursor=zzz").await;
    browser.see("Bad link or form").await;
    browser.close().await;
}

#[tokio::test]
async fn the_address_of_a_payment_leads_to_its_booking() {
    let platform = Platform::up();
    let (_, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &customer_name()).await;
    browser.open_slot(&name).await;
    browser.click("#wanted input[value=invoice]").await;
    browser.click("#wanted button[type=submit]").await;
    browser.find("#pay").await;
    let booking = booking_shown(&browser).await;
    browser.choose("#card", "tok_declined").await;
    browser.click("#pay button").await;
    browser.see("Your card was declined").await;
    // As who reads the address bar and presses Enter.
    browser.goto(&format!("/web/bookings/{booking}/payments")).await;
    browser.see("Step by step").await;
    assert_eq!(booking_shown(&browser).await, booking);
    browser.close().await;
}

#[tokio::test]
async fn a_refresh_keeps_the_focus_on_a_link() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let (_, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &customer_name()).await;
    browser.open_slot(&name).await;
    browser.choose("#wanted select", "tok_slow").await;
    browser.click("#wanted button[type=submit]").await;
    browser.see("In progress").await;
    browser.run("document.querySelector('main .crumb a').focus();").await;
    browser.see_in(".head", "Booked").await;
    let announced = "return document.getElementById('announcement').textContent;";
    assert_eq!(browser.run(announced).await, json!("Booked"), "a screen reader says so");
    let focused = browser.run("return document.activeElement.textContent;").await;
    assert_eq!(focused, json!("My bookings"));
    browser.close().await;
}

#[tokio::test]
async fn every_page_names_the_platform_marks_where_it_is_and_fits_a_narrow_screen() {
    let platform = Platform::up();
    let (_, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    browser.goto("/web/sign-in").await;
    browser.check("sign-in", NARROW).await;
    browser.sign_in("/web", &customer_name()).await;
    let current = "return [...document.querySelectorAll('header nav [aria-current]')]
        .map((it) => `${it.textContent}: ${it.getAttribute('aria-current')}`);";
    assert_eq!(browser.run(current).await, json!(["Slots: page"]));
    let brand = "return document.querySelector('.brand').ariaLabel;";
    assert_eq!(browser.run(brand).await, json!("Parkade"));
    browser.open_slot(&name).await;
    browser.check("slots", NARROW).await;
    browser.click("#wanted input[value=invoice]").await;
    browser.click("#wanted button[type=submit]").await;
    browser.find("#pay").await;
    assert_eq!(browser.run(current).await, json!(["My bookings: true"]));
    browser.check("bill", NARROW).await;
    browser.goto("/web/bookings").await;
    assert_eq!(browser.run(current).await, json!(["My bookings: page"]));
    browser.check("my-bookings", NARROW).await;
    for link in ["footer a[href$='operator/']", "footer a[href$='docs']"] {
        assert!(browser.is_there(link).await, "{link}");
    }
    browser.goto("/docs").await;
    browser.check("docs", NARROW).await;
    browser.click("header a[href$='web/']").await;
    browser.see_in(".who", "ada-").await;
    browser.close().await;
}
