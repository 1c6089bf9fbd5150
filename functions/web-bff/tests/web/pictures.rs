//! The main pages as they are sent, so that no change of theirs goes unseen.

use crate::support::{
    AT, BOOKING, Routes as _, SECRET, Sent, World, bill, booking, down, event, not_found, slot,
    well,
};
use bff::memory::{Memory, Reply};
use pages::assets::{ICON, SCRIPT};
use serde_json::{Value, json};
use web_bff::views::STYLE;

/// The page, one tag a line, without what no two pages share.
async fn page<S: bff::invoke::Invoke + Clone + Send + 'static>(
    world: &World<S>,
    sent: Sent,
) -> String {
    let response = world.by_ada(sent).await;
    let csrf = pages::csrf_token(SECRET, "ada");
    // Nor what its files are called: how they look is not for this test.
    let body = [(&*STYLE, "STYLE"), (&*SCRIPT, "SCRIPT"), (&*ICON, "ICON")]
        .into_iter()
        .fold(response.body, |body, (asset, name)| body.replace(asset.path(), name));
    body.replace(&csrf, "CSRF").replace("><", ">\n<")
}

#[tokio::test]
async fn the_first_page() {
    insta::assert_snapshot!(page(&World::new(Memory::new(well)), Sent::get("/web")).await);
}

#[tokio::test]
async fn a_bill_that_waits_to_be_paid() {
    insta::assert_snapshot!(page(&World::new(Memory::new(well)), Sent::booking("GET", "")).await);
}

#[tokio::test]
async fn a_booking_that_is_complete() {
    let services = Memory::new(|function: &str, request: &Value| match function {
        "booking-query" => {
            let mut booking = booking();
            booking["status"] = json!("completed");
            booking["mode"] = json!("instant");
            booking["version"] = json!(3);
            Reply::Response(booking)
        }
        "booking-command" => Reply::Response(json!({"events": [
            event(1, "BookingCreated"), event(2, "BookingReserved"), event(3, "BookingCompleted"),
        ]})),
        "billing-query" => {
            let mut bill = bill();
            bill["status"] = json!("paid");
            bill["paid"] = json!("100.00");
            bill["payments"] = json!([
                {"paymentId": BOOKING, "amount": "100.00", "status": "captured", "requestedAt": AT},
            ]);
            Reply::Response(bill)
        }
        "parking-query" => {
            let mut slot = slot();
            slot["status"] = json!("reserved");
            Reply::Response(slot)
        }
        _ => well(function, request),
    });
    insta::assert_snapshot!(page(&World::new(services), Sent::booking("GET", "")).await);
}

#[tokio::test]
async fn a_booking_of_which_little_is_known() {
    let services = Memory::new(|function: &str, request: &Value| match function {
        "booking-query" => well(function, request),
        _ => down(),
    });
    insta::assert_snapshot!(page(&World::new(services), Sent::booking("GET", "")).await);
}

#[tokio::test]
async fn my_bookings() {
    insta::assert_snapshot!(page(&World::new(Memory::new(well)), Sent::get("/web/bookings")).await);
}

#[tokio::test]
async fn where_to_sign_in() {
    insta::assert_snapshot!(page(&World::new(Memory::new(well)), Sent::get("/web/sign-in")).await);
}

#[tokio::test]
async fn nothing_here() {
    let services = Memory::new(|_: &str, _: &Value| not_found());
    insta::assert_snapshot!(page(&World::new(services), Sent::booking("GET", "")).await);
}
