//! The longest allowed names, without spaces: no page becomes wider than the narrowest screen.

use platform::Platform;
use serde_json::json;
use uuid::Uuid;

use crate::customer::booking_shown;
use crate::driver::{Browser, NARROWEST};

/// A unique name of this length.
fn long_name(length: usize) -> String {
    format!("{:w<length$}", Uuid::new_v4().simple().to_string())
}

#[tokio::test]
async fn a_long_name_without_spaces_makes_no_page_too_wide() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let (slot, customer) = (long_name(100), long_name(64));
    let request = json!({ "name": slot });
    let operator = platform.operator().await;
    let made = operator.post("/operator/slots", &request).await.expect(201);
    platform.slot_appears(made["slotId"].as_str().unwrap()).await;

    let browser = Browser::open(&platform).await;
    browser.sign_in("/web", &customer).await;
    browser.open_slot(&slot).await;
    browser.check("slots", NARROWEST).await;
    browser.click("#wanted button[type=submit]").await;
    browser.see_in(".head", "Booked").await;
    browser.check("booking", NARROWEST).await;
    let booking = booking_shown(&browser).await;
    browser.goto("/web/bookings").await;
    browser.see("Booked").await;
    browser.check("my-bookings", NARROWEST).await;

    browser.sign_in("/operator", "olga").await;
    browser.check("overview", NARROWEST).await;
    let details = format!("/operator/room/bookings/{booking}");
    for page in ["/operator/room/slots", "/operator/room/bookings", details.as_str()] {
        browser.goto(page).await;
        browser.check(page, NARROWEST).await;
    }
    browser.close().await;
}
