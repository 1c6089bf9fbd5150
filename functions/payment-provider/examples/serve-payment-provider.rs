//! Serves the payment provider on a local port, with a ledger in memory: `cargo run --profile local --example serve-payment-provider`,
//! then send charges with the key that it prints.

use api_gateway::token::Expectations;
use api_gateway::verifier::{Inline, Verifier};
use payment_provider::adapters::memory::MemoryLedger;
use payment_provider::handlers::provider::{Delays, Provider};
use tokio::net::TcpListener;

/// The bearer token of clients.
const CLIENT_KEY: &str = "key-for-examples-0123456789";

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    function::telemetry();
    let port = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(8080);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    tracing::info!(address = %listener.local_addr()?, key = CLIENT_KEY, "serving");
    // There is no issuer of tokens here, so no operator can read the ledger.
    let (issuer, audience) = ("none".to_owned(), "none".to_owned());
    let expectations = Expectations { issuer, audience, roles: Vec::new() };
    let operators = Verifier::new(Inline("{\"keys\":[]}".to_owned()), expectations);
    let (ledger, key) = (MemoryLedger::default(), CLIENT_KEY.to_owned());
    let provider = Provider::new(ledger, key, operators, Delays::default(), function::now);
    axum::serve(listener, provider.router()).await
}
