//! Serves the payment provider on a local port, with a ledger in memory:
//! `cargo run --profile local --example serve-payment-provider [port]`.
//!
//! It accepts the key in `PAYMENT_PROVIDER_KEY`, so that it can be the provider of a platform; README.md shows how.
//! Without that variable it accepts a key for examples, which it prints.

use api_gateway::token::Expectations;
use api_gateway::verifier::{Inline, Verifier};
use function::env::{ConfigError, required};
use payment_provider::adapters::memory::MemoryLedger;
use payment_provider::handlers::provider::{Delays, Provider};
use tokio::net::TcpListener;

/// The variable with the key that a client must send.
const KEY_VARIABLE: &str = "PAYMENT_PROVIDER_KEY";
/// The key if there is no such variable. It is published here, so it is not secret.
const EXAMPLE_KEY: &str = "key-for-examples-0123456789";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    function::telemetry();
    let port = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(8080);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let key = match required(KEY_VARIABLE) {
        Ok(key) => {
            tracing::info!(%address, "serving clients that send the key in {KEY_VARIABLE}");
            key
        }
        Err(ConfigError::Unset { .. }) => {
            tracing::info!(%address, key = EXAMPLE_KEY, "serving");
            EXAMPLE_KEY.to_owned()
        }
        // An empty key, as of a file that does not exist: no client could be served.
        Err(error) => return Err(error.into()),
    };
    // There is no issuer of tokens here, so no operator can read the ledger.
    let (issuer, audience) = ("none".to_owned(), "none".to_owned());
    let expectations = Expectations { issuer, audience, roles: Vec::new() };
    let operators = Verifier::new(Inline("{\"keys\":[]}".to_owned()), expectations);
    let ledger = MemoryLedger::default();
    let provider = Provider::new(ledger, key, operators, Delays::default(), function::now);
    Ok(axum::serve(listener, provider.router()).await?)
}
