//! Serves the customer's pages on a local port, with services in memory:
//! `cargo run --profile local --example serve-web-bff`, then open <http://127.0.0.1:8080/web/>.

use api_gateway::issuer::Issuer;
use api_gateway::token::Expectations;
use api_gateway::verifier::Inline;
use bff::Runtime;
use bff::memory::{Memory, Reply};
use pages::open_id::MemoryProvider;
use pages::{Pages, PagesSettings, SignInMethod};
use serde_json::{Value, json};
use service_error::ServiceError;
use tokio::net::TcpListener;
use web_bff::config::Services;
use web_bff::views::SITE;
use web_bff::{App, adapter, service};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    function::telemetry();
    let runtime = Runtime::new(function::now, function::new_id, function::new_secret);
    // A key that only this process has signs in users under any name.
    let issuer = Issuer::from_pkcs8(&Issuer::generate()?)?;
    let expectations = Expectations {
        issuer: "http://127.0.0.1".to_owned(),
        audience: "parkade".to_owned(),
        roles: vec!["customer".to_owned()],
    };
    let keys = Inline(issuer.jwks());
    let sign_in = SignInMethod::Local(issuer);
    let settings = PagesSettings { keys, expectations, sign_in, is_https: false };
    let provider = MemoryProvider::default();
    let pages = Pages::with_provider(&SITE, settings, provider, runtime.clone());
    let adapter = adapter(&runtime);
    let app = App::new(Memory::new(respond), services(), runtime);
    let port = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(8080);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    tracing::info!(address = %listener.local_addr()?, "serving");
    axum::serve(listener, service(&pages, app, adapter)).await?;
    Ok(())
}

/// A car park with one slot, which accepts every booking.
fn respond(function: &str, request: &Value) -> Reply {
    let slot_id = "0191f7a4-0000-7000-8000-000000000001";
    let slot = json!({"slotId": slot_id, "name": "A1", "status": "available", "version": 1});
    match (function, request["query"].as_str()) {
        ("parking-query", Some("slots")) => Reply::Response(json!({"items": [slot]})),
        ("parking-query", Some("slot")) if request["slotId"] == slot_id => Reply::Response(slot),
        ("booking-query", Some("customerBookings")) => Reply::Response(json!({"items": []})),
        ("booking-command", _) if request["command"] == "createBooking" => {
            let accepted =
                json!({"bookingId": request["bookingId"], "status": "pending", "version": 1});
            Reply::Response(accepted)
        }
        _ => Reply::Failure(ServiceError::rejected("not-found", "it does not exist")),
    }
}

fn services() -> Services {
    Services {
        booking_command: "booking-command".to_owned(),
        booking_query: "booking-query".to_owned(),
        parking_query: "parking-query".to_owned(),
        billing_command: "billing-command".to_owned(),
        billing_query: "billing-query".to_owned(),
    }
}
