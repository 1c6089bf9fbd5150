//! Queries read views, and clients can read their own writes.

use platform::Platform;
use serde_json::json;

#[tokio::test]
async fn a_client_reads_its_own_write() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    for _ in 0..5 {
        let booking = customer.book_invoice(&slot).await;
        let cancelled = customer.cancel(&booking).await.expect(202);
        let version = cancelled["version"].as_u64().unwrap();
        let path = format!("/mobile/bookings/{booking}?minVersion={version}");
        let found = customer.get(&path).await.expect(200);
        assert_eq!(found["status"], "cancelled");
        assert!(found["version"].as_u64().unwrap() >= version);
    }
}

#[tokio::test]
async fn a_version_that_is_not_reached_gives_503_not_a_stale_response() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let booking = customer.book_invoice(&platform.slot().await).await;
    let reply = customer.get(&format!("/mobile/bookings/{booking}?minVersion=99")).await;
    assert!(reply.header("retry-after").is_some());
    reply.expect_problem(503, "service-unavailable");
    for version in ["0", "-1", "x", "1.5"] {
        let path = format!("/mobile/bookings/{booking}?minVersion={version}");
        customer.get(&path).await.expect_problem(400, "validation");
    }
}

#[tokio::test]
async fn an_operator_reads_their_own_write() {
    let platform = Platform::up();
    let operator = platform.operator().await;
    let slot = platform.slot().await;
    let path = format!("/operator/slots/{slot}");
    assert_eq!(operator.get(&path).await.expect(200)["status"], "available");
    let closed = operator.post(&format!("{path}/close"), &json!({})).await.expect(200);
    assert_eq!(closed["status"], "closed");
    assert_eq!(operator.get(&path).await.expect(200)["status"], "closed");
    let again = operator.post(&format!("{path}/close"), &json!({})).await.expect(200);
    assert_eq!(again["version"], closed["version"]);
    operator.post(&format!("{path}/reopen"), &json!({})).await.expect(200);
    assert_eq!(operator.get(&path).await.expect(200)["status"], "available");
}

#[tokio::test]
async fn slots_are_listed_by_state() {
    let platform = Platform::up();
    let (customer, operator) = (platform.customer().await, platform.operator().await);
    let slot = platform.slot().await;
    operator.post(&format!("/operator/slots/{slot}/close"), &json!({})).await.expect(200);
    let listed = async |status: &str| {
        let mut path = format!("/mobile/slots?status={status}&limit=100");
        loop {
            let page = customer.get(&path).await.expect(200);
            for item in page["items"].as_array().unwrap() {
                assert_eq!(item["status"], status);
                if item["slotId"] == slot {
                    return true;
                }
            }
            let Some(cursor) = page["nextCursor"].as_str() else { return false };
            path = format!("/mobile/slots?status={status}&limit=100&cursor={cursor}");
        }
    };
    assert!(listed("closed").await);
    assert!(!listed("available").await);
}

#[tokio::test]
async fn an_operator_finds_bookings_by_state() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let booking = customer.book_instant(&platform.slot().await, "tok_declined").await;
    customer.finished(&booking).await;
    let page = platform.operator().await.get("/operator/bookings?status=failed&limit=100").await;
    let page = page.expect(200);
    let items = page["items"].as_array().unwrap();
    assert!(items.iter().all(|it| it["status"] == "failed"));
    assert!(items.iter().any(|it| it["bookingId"] == booking.as_str()));
}
