//! Serves the backend on a local port, with services in memory: `cargo run --profile local --example serve-mobile-bff`, then
//! `curl http://127.0.0.1:8080/mobile/slots`.

use axum::Extension;
use bff::Origins;
use bff::memory::{Memory, Reply};
use bff::web::{HttpAdapter, Principal};
use mobile_bff::config::Services;
use mobile_bff::{App, PROBLEMS, router};
use serde_json::{Value, json};
use service_error::ServiceError;
use tokio::net::TcpListener;

/// Every request comes from this customer: there is no authorizer in front.
const CUSTOMER: &str = "alice";

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    function::telemetry();
    let app = App::new(Memory::new(respond), services());
    let routes = router(app).layer(Extension(Principal::new(CUSTOMER, &["customer"])));
    let adapter = HttpAdapter::new(PROBLEMS, Origins::Any, function::new_id);
    let port = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(8080);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    tracing::info!(address = %listener.local_addr()?, "serving");
    axum::serve(listener, adapter.wrap(routes)).await
}

/// A car park with one slot, which accepts every booking.
fn respond(function: &str, request: &Value) -> Reply {
    let slot_id = "0191f7a4-0000-7000-8000-000000000001";
    let slot = json!({"slotId": slot_id, "name": "A1", "status": "available", "version": 1});
    let not_found = || Reply::Failure(ServiceError::rejected("not-found", "it does not exist"));
    match (function, request["query"].as_str()) {
        ("parking-query", Some("slots")) => Reply::Response(json!({"items": [slot]})),
        ("parking-query", _) if request["slotId"] == slot_id => Reply::Response(slot),
        ("booking-query", Some("customerBookings")) => Reply::Response(json!({"items": []})),
        ("booking-command", _) if request["command"] == "createBooking" => {
            let accepted =
                json!({"bookingId": request["bookingId"], "status": "pending", "version": 1});
            Reply::Response(accepted)
        }
        _ => not_found(),
    }
}

fn services() -> Services {
    Services {
        booking_command: "booking-command".to_owned(),
        booking_query: "booking-query".to_owned(),
        parking_command: "parking-command".to_owned(),
        parking_query: "parking-query".to_owned(),
        billing_command: "billing-command".to_owned(),
        billing_query: "billing-query".to_owned(),
    }
}
