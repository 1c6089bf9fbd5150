//! Pages in the states that are seldom seen: all can be read, on every screen.

use platform::Platform;
use serde_json::json;

use crate::customer::{booking_shown, customer_name, slot};
use crate::driver::Browser;

#[tokio::test]
async fn a_booking_can_be_read_in_every_state() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let slots = [slot(&platform).await, slot(&platform).await, slot(&platform).await];
    let [pending, failed, cancelled] = slots.map(|(_, name)| name);
    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &customer_name()).await;
    browser.goto("/web/bookings").await;
    browser.see("You have no bookings yet.").await;
    browser.check_all("no-bookings").await;

    browser.goto("/web/").await;
    browser.open_slot(&pending).await;
    browser.choose("#wanted select", "tok_slow").await;
    browser.click("#wanted button[type=submit]").await;
    browser.see_in(".head", "In progress").await;
    // A page with an open question does not refresh itself: it stays as it is.
    browser.run("document.getElementById('cancel').open = true;").await;
    browser.check_all("pending").await;
    assert!(browser.text(".head").await.contains("In progress"), "the page has waited");
    browser.run("document.getElementById('cancel').open = false;").await;
    browser.see_in(".head", "Booked").await;
    browser.check_all("booked").await;
    browser.click("#check-out summary").await;
    browser.click("#check-out button").await;
    browser.see_in(".head", "Checked out").await;
    browser.check_all("checked-out").await;

    browser.goto("/web/").await;
    browser.open_slot(&failed).await;
    browser.choose("#wanted select", "tok_declined").await;
    browser.click("#wanted button[type=submit]").await;
    browser.see_in(".head", "Failed").await;
    browser.check_all("failed").await;

    browser.goto("/web/").await;
    browser.open_slot(&cancelled).await;
    browser.click("#wanted button[type=submit]").await;
    browser.see_in(".head", "Booked").await;
    browser.click("#cancel summary").await;
    browser.click("#cancel button").await;
    browser.see_in(".head", "Cancelled").await;
    browser.see_in(".steps li.done:last-child", "Money returned").await;
    browser.check_all("cancelled").await;
    browser.close().await;
}

#[tokio::test]
async fn a_bad_link_is_a_page_that_can_be_read() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    for path in ["/web/nope", "/operator/nope", "/docs?x=1", "/nope"] {
        browser.goto(path).await;
        browser.find("main h1").await;
        browser.check_all(path).await;
    }
    browser.sign_in("/web", &customer_name()).await;
    for path in ["/web/?cursor=zzz", "/web/bookings?cursor=zzz", "/web/?x=1"] {
        browser.goto(path).await;
        browser.see("Bad link or form").await;
        browser.check_all(path).await;
    }
    browser.sign_in("/operator", "olga").await;
    for path in ["/operator/room/bookings?cursor=zzz", "/operator/room/slots?status=nope"] {
        browser.goto(path).await;
        browser.see("Bad link or form").await;
        browser.check_all(path).await;
    }
    browser.close().await;
}

#[tokio::test]
async fn a_sign_in_page_says_what_a_name_may_contain() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    for (site, name) in [("/web", "Parkade"), ("/operator", "Parkade operator console")] {
        browser.goto(&format!("{site}/sign-in")).await;
        let brand = browser.run("return document.querySelector('.brand').ariaLabel;").await;
        assert_eq!(brand, json!(name));
        assert!(browser.driver.title().await.unwrap().ends_with(name));
        browser.check_all("sign-in").await;
        browser.do_not_validate("form.card").await;
        browser.fill("#name", "Olga O'Hara").await;
        browser.click("form.card button").await;
        browser.see("A name has 1 to 64 letters, digits").await;
        let entered = browser.run("return document.getElementById('name').value;").await;
        assert_eq!(entered, json!("Olga O'Hara"));
        browser.check_all("sign-in-error").await;
    }
    browser.close().await;
}

/// Tests that open circuits which other tests need: nextest runs them alone (`.config/nextest.toml`).
mod degraded {
    use std::panic::resume_unwind;

    use platform::eventually;
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    /// Runs a test while a circuit is forced open, and resets the circuit whatever the result.
    async fn while_open(platform: &Platform, name: &str, deed: impl Future<Output = ()> + 'static) {
        platform.set_circuit(name, "open").await;
        let done = LocalSet::new().run_until(async { spawn_local(deed).await }).await;
        platform.reset_circuit(name).await;
        done.unwrap_or_else(|failed| resume_unwind(failed.into_panic()));
    }

    /// Loads a page until it shows this: an instance learns of an override by a call.
    async fn reloads_until(browser: &Browser, path: &str, text: &str) {
        eventually(&format!("{path} shows: {text}"), async || {
            browser.goto(path).await;
            browser.text("main").await.contains(text).then_some(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_booking_without_billing_is_shown_with_what_is_known() {
        let platform = Platform::up();
        let (_, name) = slot(&platform).await;
        let browser = Browser::open(&platform).await;
        browser.sign_in("/web", &customer_name()).await;
        browser.open_slot(&name).await;
        browser.click("#wanted button[type=submit]").await;
        browser.see_in(".head", "Booked").await;
        let booking = booking_shown(&browser).await;
        let deed = async move {
            let page = format!("/web/bookings/{booking}");
            reloads_until(&browser, &page, "Billing is currently unavailable").await;
            browser.see("The rest of this page is up to date.").await;
            browser.see_in(".head", "Booked").await;
            browser.check_all("booking-without-billing").await;
            browser.sign_in("/operator", "olga").await;
            let page = format!("/operator/room/bookings/{booking}");
            reloads_until(&browser, &page, "Currently unavailable: bill").await;
            browser.check_all("story-without-billing").await;
            browser.close().await;
        };
        while_open(&platform, "billing-query", deed).await;
    }

    #[tokio::test]
    async fn the_first_page_without_parking_says_so_and_recovers() {
        let platform = Platform::up();
        let browser = Browser::open(&platform).await;
        browser.sign_in("/web", &customer_name()).await;
        let deed = async move {
            reloads_until(&browser, "/web/", "Parking is currently unavailable").await;
            browser.check_all("slots-without-parking").await;
            browser.sign_in("/operator", "olga").await;
            reloads_until(&browser, "/operator/", "Circuit of parking-query").await;
            browser.check_all("overview-without-parking").await;
            reloads_until(&browser, "/operator/room/slots", "Currently unavailable").await;
            browser.check_all("slots-unavailable").await;
            browser.close().await;
        };
        while_open(&platform, "parking-query", deed).await;
    }
}
