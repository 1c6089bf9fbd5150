//! Lambda `payment-provider`: wiring only.

use api_gateway::verifier::Verifier;
use function::now;
use lambda_runtime::Error;
use payment_provider::adapters::dynamodb::DynamoLedger;
use payment_provider::config::ProviderConfig;
use payment_provider::handlers::provider::{Delays, Provider};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = ProviderConfig::from_env()?;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let ledger = DynamoLedger::new(tables, config.ledger_table);
    function::warm(ledger.warm_up()).await;
    let operators = Verifier::new(config.keys, config.expectations);
    function::warm(operators.warm(now())).await;
    let provider = Provider::new(ledger, config.client_key, operators, Delays::default(), now);
    api_gateway::lambda::serve(function::flushing(provider.router())).await
}
