//! The events are the only truth, and can be read.

use crate::platform::Platform;

#[tokio::test]
async fn a_booking_tells_its_history_and_how_it_stood() {
    let platform = Platform::up();
    let (customer, operator) = (platform.customer().await, platform.operator().await);
    let booking = customer.book_instant(&platform.slot().await, "tok_visa").await;
    customer.settled(&booking).await;
    customer.check_out(&booking).await.expect(202);

    let path = format!("/operator/bookings/{booking}/events");
    let history = operator.get(&path).await.expect(200);
    assert!(!history.to_string().contains("tok_visa"));
    let events = history["events"].as_array().unwrap();
    let told: Vec<_> = events.iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(
        told,
        ["BookingCreated", "BookingReserved", "BookingCompleted", "BookingCheckedOut"]
    );
    let versions: Vec<_> = events.iter().map(|it| it["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, [1, 2, 3, 4]);

    for (version, status) in [(1, "pending"), (3, "completed"), (4, "checked_out")] {
        let stood = operator.get(&format!("{path}?version={version}")).await.expect(200);
        assert_eq!((&stood["status"], &stood["version"]), (&status.into(), &version.into()));
    }
    let made = events[0]["occurredAt"].as_str().unwrap();
    let stood = operator.get(&format!("{path}?at={made}")).await.expect(200);
    assert_eq!(stood["status"], "pending");
    operator.get(&format!("{path}?version=5")).await.expect_problem(404, "not-found");
    for query in ["version=0", "version=x", "at=yesterday", "version=1&at=2026-01-01T00:00:00Z"] {
        operator.get(&format!("{path}?{query}")).await.expect_problem(400, "validation");
    }
}
