//! Serves the operator console on a local port, with services, queues and sagas in memory:
//! `cargo run --profile local --example serve-operator-bff`, then open <http://127.0.0.1:8080/operator/>.

use api_gateway::issuer::Issuer;
use api_gateway::token::Expectations;
use api_gateway::verifier::Inline;
use async_trait::async_trait;
use bff::memory::{Memory, Reply};
use bff::{Origins, Runtime};
use circuit_breaker::control::Control;
use circuit_breaker::memory::MemoryStore;
use circuit_breaker::settings::Settings;
use function::breaker::BreakerTelemetry;
use operator_bff::config::{Config, Services};
use operator_bff::queues::{DeadLetter, MonitoredQueue, QueueDepth, Queues};
use operator_bff::views::SITE;
use operator_bff::workflow::{Execution, StateMachine, Workflow};
use operator_bff::{App, adapter, service};
use pages::open_id::MemoryProvider;
use pages::{Pages, PagesSettings, SignInMethod};
use serde_json::{Value, json};
use service_error::ServiceError;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    function::telemetry();
    let runtime = Runtime::new(function::now, function::new_id, function::new_secret);
    // A key that only this process has signs in users under any name.
    let issuer = Issuer::from_pkcs8(&Issuer::generate()?)?;
    let expectations = Expectations {
        issuer: "http://127.0.0.1".to_owned(),
        audience: "parkade".to_owned(),
        roles: vec!["operator".to_owned()],
    };
    let keys = Inline(issuer.jwks());
    let sign_in = SignInMethod::Local(issuer);
    let settings = PagesSettings { keys, expectations, sign_in, is_https: false };
    let provider = MemoryProvider::default();
    let pages = Pages::with_provider(&SITE, settings, provider, runtime.clone());
    let adapter = adapter(Origins::Any, &runtime);
    let breakers = Control::new(MemoryStore::default(), BreakerTelemetry);
    let app = App::new(Memory::new(respond), NoSagas, NoMessages, breakers, config()?, runtime);
    let port = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(8080);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    tracing::info!(address = %listener.local_addr()?, "serving");
    axum::serve(listener, service(&pages, app, adapter)).await?;
    Ok(())
}

/// A car park with one slot.
fn respond(function: &str, request: &Value) -> Reply {
    let slot_id = "0191f7a4-0000-7000-8000-000000000001";
    let slot = json!({"slotId": slot_id, "name": "A1", "status": "available", "version": 1});
    match (function, request["query"].as_str()) {
        ("parking-query", Some("slots")) => Reply::Response(json!({"items": [slot]})),
        ("parking-query", Some("slot")) if request["slotId"] == slot_id => Reply::Response(slot),
        ("booking-query", Some("bookings")) => Reply::Response(json!({"items": []})),
        _ => Reply::Failure(ServiceError::transient("not in this example", "no such service")),
    }
}

/// No booking has an orchestrated saga.
struct NoSagas;

#[async_trait]
impl Workflow for NoSagas {
    async fn execution(&self, _: StateMachine, _: &str) -> Result<Option<Execution>, ServiceError> {
        Ok(None)
    }
}

/// All queues are empty.
struct NoMessages;

#[async_trait]
impl Queues for NoMessages {
    async fn dead_letters(&self, _: &MonitoredQueue) -> Result<Vec<DeadLetter>, ServiceError> {
        Ok(Vec::new())
    }

    async fn redrive(&self, _: &MonitoredQueue) -> Result<u64, ServiceError> {
        Ok(0)
    }

    async fn discard(
        &self,
        _: &MonitoredQueue,
        _: &str,
    ) -> Result<Option<DeadLetter>, ServiceError> {
        Ok(None)
    }

    async fn depth(&self, _: &MonitoredQueue) -> Result<QueueDepth, ServiceError> {
        Ok(QueueDepth { messages: 0, dead_letters: 0 })
    }

    async fn send(&self, _: &MonitoredQueue, _: String) -> Result<(), ServiceError> {
        Ok(())
    }
}

fn config() -> Result<Config, Box<dyn std::error::Error>> {
    let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:booking-saga";
    let queue = "http://127.0.0.1/000000000000/parkade-local-booking-dead-letters";
    Ok(Config {
        services: Services {
            booking_command: "booking-command".to_owned(),
            booking_query: "booking-query".to_owned(),
            booking_rebuild: "booking-rebuild".to_owned(),
            parking_command: "parking-command".to_owned(),
            parking_query: "parking-query".to_owned(),
            parking_rebuild: "parking-rebuild".to_owned(),
            billing_query: "billing-query".to_owned(),
            billing_breaker: "billing-breaker".to_owned(),
        },
        origins: Origins::Any,
        booking_saga: machine.parse()?,
        booking_saga_compensation: machine.parse()?,
        queues: MonitoredQueue::from_dead_letters(queue, "parkade-local-").into_iter().collect(),
        breakers_table: String::new(),
        breaker: Settings::default(),
    })
}
