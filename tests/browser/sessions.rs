//! Sessions that expire, or are renewed in another tab, while a form is filled in.

use platform::{Platform, eventually};
use serde_json::json;
use uuid::Uuid;

use crate::customer::{booking_shown, customer_name, slot};
use crate::driver::Browser;
use crate::operator::{console, dead_letter, discard_now};

const SIGNED_IN_AGAIN: &str = "Your session had expired, so nothing was sent";
/// The card that is chosen in the form of a slot that is open.
const CHOSEN: &str = "return document.querySelector('details[open] select').value;";

/// Signs in on the sign-in page that is open.
async fn sign_in_here(browser: &Browser, name: &str) {
    browser.fill("#name", name).await;
    browser.click("form.card button").await;
    browser.see_in(".who", name).await;
}

/// The number of bookings of the customer who is signed in.
async fn bookings(browser: &Browser) -> usize {
    browser.goto("/web/bookings").await;
    browser.see_in("main h1", "My bookings").await;
    browser.driver.find_all(thirtyfour::By::Css("tbody tr")).await.unwrap().len()
}

/// Signs in as a new customer, and opens the form of a new slot with another card than the first; returns the customer.
async fn filled_in(platform: &Platform, browser: &Browser) -> String {
    platform.hold_provider_circuit().await;
    let (_, name) = slot(platform).await;
    let who = customer_name();
    browser.sign_in("/web", &who).await;
    browser.open_slot(&name).await;
    browser.choose("#wanted select", "tok_slow").await;
    who
}

#[tokio::test]
async fn a_booking_goes_on_after_its_session_has_expired() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    let who = filled_in(&platform, &browser).await;
    browser.forget("parkade-session").await;
    browser.click("#wanted button[type=submit]").await;
    browser.see("Your session has expired").await;
    browser.see("what you entered is kept").await;
    browser.look("session-expired").await;
    sign_in_here(&browser, &who).await;
    browser.see(SIGNED_IN_AGAIN).await;
    assert_eq!(browser.run(CHOSEN).await, json!("tok_slow"));
    browser.look("form-kept").await;
    browser.click("details[open] button[type=submit]").await;
    booking_shown(&browser).await;
    browser.see_in(".head", "Booked").await;
    assert_eq!(bookings(&browser).await, 1, "booked once");
    browser.close().await;
}

#[tokio::test]
async fn a_form_is_not_shown_to_another_customer() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    let who = filled_in(&platform, &browser).await;
    browser.forget("parkade-session").await;
    browser.click("#wanted button[type=submit]").await;
    browser.see("what you entered is kept").await;
    sign_in_here(&browser, &customer_name()).await;
    browser.see_in("main h1", "Free slots").await;
    assert!(!browser.is_there("details[open]").await, "no form is open");
    assert!(!browser.text("main").await.contains("nothing was sent"));
    assert!(!browser.has_cookie("parkade-session-form").await, "the form is dropped");
    assert_eq!(bookings(&browser).await, 0);
    // Nor to the first one later: a user in between may have seen the cookie.
    browser.forget("parkade-session").await;
    browser.sign_in("/web", &who).await;
    assert!(!browser.is_there("details[open]").await, "no form is open");
    assert_eq!(bookings(&browser).await, 0);
    browser.close().await;
}

#[tokio::test]
async fn an_operator_who_signs_in_again_finds_the_name_of_the_new_slot() {
    let platform = Platform::up();
    let browser = console(&platform).await;
    browser.goto("/operator/room/slots").await;
    let name = format!("Level 4, {}", &Uuid::new_v4().simple().to_string()[..6]);
    browser.fill("#name", &name).await;
    browser.forget("parkade-operator").await;
    browser.click("form.inline button").await;
    browser.see("what you entered is kept").await;
    browser.check_all("operator-session-expired").await;
    sign_in_here(&browser, "olga").await;
    browser.see(SIGNED_IN_AGAIN).await;
    let entered = browser.run("return document.getElementById('name').value;").await;
    assert_eq!(entered, json!(name));
    browser.check_all("operator-form-kept").await;
    browser.click("form.inline button").await;
    browser.see("The slot is there.").await;
    assert!(
        !browser.has_cookie("parkade-operator-form").await,
        "the form is sent, and has no other use"
    );
    browser.close().await;
}

#[tokio::test]
async fn an_operator_who_signs_in_again_finds_the_reason_for_a_discard() {
    let platform = Platform::up();
    let id = dead_letter(&platform, "billing", &format!("no JSON {}", Uuid::new_v4())).await;
    let browser = console(&platform).await;
    let discard = format!("#discard-{id}");
    browser.open_discard(&id).await;
    browser.fill(&format!("{discard} input[name=reason]"), "it is no JSON").await;
    browser.forget("parkade-operator").await;
    browser.click(&format!("{discard} button")).await;
    browser.see("what you entered is kept").await;
    sign_in_here(&browser, "olga").await;
    browser.see(SIGNED_IN_AGAIN).await;
    let reason =
        format!("return document.querySelector('{discard}[open] input[name=reason]')?.value;");
    eventually("the reason is filled in", async || {
        if browser.run(&reason).await == json!("it is no JSON") {
            return Some(());
        }
        // Another test looks at the queue, which hides its messages for a moment.
        browser.driver.refresh().await.unwrap();
        None
    })
    .await;
    discard_now(&browser, &id).await;
    browser.close().await;
}

#[tokio::test]
async fn a_form_works_after_its_user_has_signed_in_again_in_another_tab() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    let who = filled_in(&platform, &browser).await;
    browser.forget("parkade-session").await;
    let first = browser.new_tab().await;
    browser.sign_in("/web", &who).await;
    browser.switch_to(&first).await;
    browser.click("#wanted button[type=submit]").await;
    booking_shown(&browser).await;
    browser.see_in(".head", "Booked").await;
    assert_eq!(bookings(&browser).await, 1);
    browser.close().await;
}

#[tokio::test]
async fn a_form_is_shown_again_after_its_user_has_signed_out_and_in_again_in_another_tab() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    let who = filled_in(&platform, &browser).await;
    let first = browser.new_tab().await;
    sign_out_and_in(&browser, &who).await;
    browser.switch_to(&first).await;
    browser.click("#wanted button[type=submit]").await;
    browser.see(SIGNED_IN_AGAIN).await;
    assert_eq!(browser.run(CHOSEN).await, json!("tok_slow"));
    browser.click("details[open] button[type=submit]").await;
    booking_shown(&browser).await;
    browser.see_in(".head", "Booked").await;
    assert_eq!(bookings(&browser).await, 1);
    browser.close().await;
}

#[tokio::test]
async fn a_form_without_fields_leads_back_to_its_page_after_a_new_session_in_another_tab() {
    let platform = Platform::up();
    let (_, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    let who = customer_name();
    browser.sign_in("/web", &who).await;
    browser.open_slot(&name).await;
    browser.click("#wanted button[type=submit]").await;
    browser.see_in(".head", "Booked").await;
    let booking = booking_shown(&browser).await;
    browser.click("#cancel summary").await;
    let first = browser.new_tab().await;
    sign_out_and_in(&browser, &who).await;
    browser.switch_to(&first).await;
    browser.click("#cancel button").await;
    // Not an error page: the page of the booking, whose form works.
    browser.see("Step by step").await;
    assert_eq!(booking_shown(&browser).await, booking);
    if !browser.text(".head").await.contains("Cancelled") {
        browser.click("#cancel summary").await;
        browser.click("#cancel button").await;
    }
    browser.see_in(".head", "Cancelled").await;
    browser.close().await;
}

async fn sign_out_and_in(browser: &Browser, who: &str) {
    browser.goto("/web/").await;
    browser.see_in(".who", who).await;
    browser.click("form.sign-out button").await;
    browser.see_in("main h1", "Sign in").await;
    sign_in_here(browser, who).await;
}

#[tokio::test]
async fn a_sign_in_page_works_after_signing_in_in_another_tab() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    browser.goto("/web/sign-in").await;
    let first = browser.new_tab().await;
    browser.sign_in("/web", &customer_name()).await;
    browser.switch_to(&first).await;
    sign_in_here(&browser, &customer_name()).await;
    browser.see_in("main h1", "Free slots").await;
    browser.close().await;
}

#[tokio::test]
async fn a_sign_in_page_whose_cookie_is_gone_is_shown_again_with_the_reason() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    for (site, cookie) in [("/web", "parkade-session-csrf"), ("/operator", "parkade-operator-csrf")]
    {
        browser.goto(&format!("{site}/sign-in")).await;
        browser.forget(cookie).await;
        let who = customer_name();
        browser.fill("#name", &who).await;
        browser.click("form.card button").await;
        browser.see("This form was open for too long, or your browser does not keep cookies").await;
        let entered = browser.run("return document.getElementById('name').value;").await;
        assert_eq!(entered, json!(who), "the name is still there");
        browser.check_all("sign-in-too-old").await;
        browser.click("form.card button").await;
        browser.see_in(".who", &who).await;
    }
    browser.close().await;
}
