//! How a page refreshes itself: it does not disturb its user, and never sends a form again.

use std::time::Duration;

use platform::Platform;
use serde_json::json;
use tokio::time::sleep;
use uuid::Uuid;

use crate::customer::{booking_shown, customer_name, slot};
use crate::driver::Browser;
use crate::operator::{console, dead_letter, discard_now};

/// More than the interval of every page that refreshes itself: the longest is that of an unpaid invoice, five seconds.
const LONGER_THAN_ANY_INTERVAL: Duration = Duration::from_secs(7);

/// Waits for longer than a refresh takes to come; then the page is the same, and has requested nothing.
async fn stays_as_it_is(browser: &Browser) {
    browser.mark().await;
    sleep(LONGER_THAN_ANY_INTERVAL).await;
    assert!(browser.is_marked().await, "the page was loaded again");
    assert_eq!(browser.fetched().await, json!([]), "the page has requested something");
}

/// A booking that waits for its invoice to be paid, on its page; returns its slot and its customer.
async fn invoice(platform: &Platform, browser: &Browser) -> (String, String) {
    let (slot, name) = slot(platform).await;
    let who = customer_name();
    browser.sign_in("/web", &who).await;
    browser.open_slot(&name).await;
    browser.click("#wanted input[value=invoice]").await;
    browser.click("#wanted button[type=submit]").await;
    browser.find("#pay").await;
    (slot, who)
}

#[tokio::test]
async fn a_payment_that_was_refused_is_not_sent_again() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    let (slot, _) = invoice(&platform, &browser).await;
    let booking = booking_shown(&browser).await;
    browser.do_not_validate("#pay").await;
    browser.fill("#amount", "forty").await;
    browser.click("#pay button").await;
    browser.see("Enter an amount such as 40").await;
    stays_as_it_is(&browser).await;
    browser.see("Enter an amount such as 40").await;
    let entered = browser.run("return document.getElementById('amount').value;").await;
    assert_eq!(entered, json!("forty"));
    assert_eq!(platform.money(&format!("{slot}:{booking}")).await, (vec![], vec![]));
    browser.close().await;
}

#[tokio::test]
async fn a_check_out_that_was_refused_is_not_sent_again() {
    let platform = Platform::up();
    let (_, name) = slot(&platform).await;
    let browser = Browser::open(&platform).await;
    let who = customer_name();
    browser.sign_in("/web", &who).await;
    browser.open_slot(&name).await;
    browser.click("#wanted button[type=submit]").await;
    browser.see_in(".head", "Booked").await;
    browser.click("#check-out summary").await;
    // On another device, while this page is open.
    let other = platform.caller("customer", &who, &[]).await;
    let booking = booking_shown(&browser).await;
    assert_eq!(other.cancel(&booking).await.status, 202);
    browser.click("#check-out button").await;
    browser.see("Only a booking that has its slot can be checked out").await;
    stays_as_it_is(&browser).await;
    browser.see("Only a booking that has its slot can be checked out").await;
    browser.close().await;
}

#[tokio::test]
async fn a_discard_that_was_refused_is_not_sent_again_and_the_message_is_still_there() {
    let platform = Platform::up();
    let id = dead_letter(&platform, "billing", &format!("no JSON {}", Uuid::new_v4())).await;
    let browser = console(&platform).await;
    let discard = format!("#discard-{id}");
    browser.open_discard(&id).await;
    browser.fill(&format!("{discard} input[name=reason]"), " ").await;
    browser.click(&format!("{discard} button")).await;
    browser.see("Nothing was deleted: a reason has 1 to 500 characters").await;
    stays_as_it_is(&browser).await;
    browser.see("Nothing was deleted: a reason has 1 to 500 characters").await;
    browser.open_discard(&id).await;
    browser.fill(&format!("{discard} input[name=reason]"), "it is no JSON").await;
    discard_now(&browser, &id).await;
    browser.close().await;
}

#[tokio::test]
async fn nothing_that_was_typed_is_lost_when_the_session_expires() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    let (_, who) = invoice(&platform, &browser).await;
    let booking = booking_shown(&browser).await;
    browser.fill("#amount", "41").await;
    // Also if the focus is no longer in the form.
    browser.run("document.activeElement.blur();").await;
    browser.mark().await;
    browser.forget("parkade-session").await;
    sleep(2 * LONGER_THAN_ANY_INTERVAL).await;
    assert!(browser.is_marked().await, "the page stays unchanged");
    let requested = browser.fetched().await;
    assert!(!requested.as_array().unwrap().is_empty(), "the page has requested itself meanwhile");
    let amount = "return document.getElementById('amount').value;";
    assert_eq!(browser.run(amount).await, json!("41"));
    // And it is kept when it is sent.
    browser.click("#pay button").await;
    browser.see("what you entered is kept").await;
    browser.fill("#name", &who).await;
    browser.click("form.card button").await;
    browser.see("Your session had expired, so nothing was sent").await;
    assert_eq!(booking_shown(&browser).await, booking);
    assert_eq!(browser.run(amount).await, json!("41"));
    browser.click("#pay button").await;
    browser.see("$41.00").await;
    browser.see_in("#amount-hint", "$59.00 at most").await;
    browser.close().await;
}

#[tokio::test]
async fn a_page_on_which_nothing_was_typed_goes_to_sign_in_when_the_session_expires() {
    let platform = Platform::up();
    let browser = Browser::open(&platform).await;
    let (_, who) = invoice(&platform, &browser).await;
    let booking = booking_shown(&browser).await;
    browser.forget("parkade-session").await;
    browser.see_in("main h1", "Sign in").await;
    assert!(!browser.text("main").await.contains("what you entered is kept"));
    // And from there back to the page.
    browser.fill("#name", &who).await;
    browser.click("form.card button").await;
    browser.see("Step by step").await;
    assert_eq!(booking_shown(&browser).await, booking);
    browser.close().await;
}

#[tokio::test]
async fn a_reason_that_was_typed_stays_when_the_operators_session_expires() {
    let platform = Platform::up();
    let id = dead_letter(&platform, "billing", &format!("no JSON {}", Uuid::new_v4())).await;
    let browser = console(&platform).await;
    browser.open_discard(&id).await;
    let field = format!("#discard-{id} input[name=reason]");
    browser.fill(&field, "it is no JSON").await;
    browser.run("document.activeElement.blur();").await;
    browser.mark().await;
    browser.forget("parkade-operator").await;
    sleep(LONGER_THAN_ANY_INTERVAL).await;
    assert!(browser.is_marked().await, "the page stays unchanged");
    let reason = format!("return document.querySelector('{field}').value;");
    assert_eq!(browser.run(&reason).await, json!("it is no JSON"));
    // Nothing is typed any more, and nothing open.
    browser.run(&format!("document.querySelector('{field}').value = '';")).await;
    browser.run(&format!("document.getElementById('discard-{id}').open = false;")).await;
    browser.see_in("main h1", "Sign in").await;
    browser.close().await;
}

#[tokio::test]
async fn a_page_that_says_that_a_payment_is_being_checked_moves_on_and_shows_the_outcome() {
    let platform = Platform::up();
    platform.hold_provider_circuit().await;
    let browser = Browser::open(&platform).await;
    let (slot, who) = invoice(&platform, &browser).await;
    let booking = booking_shown(&browser).await;
    browser.fill("#amount", "20").await;
    browser.choose("#card", "tok_down").await;
    browser.click("#pay button").await;
    browser.see("Your payment of $20.00 is being checked").await;
    // The form's address is not the page's.
    assert_eq!(booking_shown(&browser).await, booking);
    assert!(!browser.text("main").await.contains("you need not send it again"));
    browser.see_in(".payments", "Being checked").await;
    // Nothing but an end of the booking decides about a payment whose bank never answers.
    let other = platform.caller("customer", &who, &[]).await;
    assert_eq!(other.cancel(&booking).await.status, 202);
    browser.see_in(".head", "Cancelled").await;
    browser.see_in(".payments", "Withdrawn").await;
    assert!(!browser.text("main").await.contains("Being checked"));
    assert_eq!(platform.money(&format!("{slot}:{booking}")).await, (vec![], vec![]));
    browser.close().await;
}
