//! Lambda `payment-provider`: wiring only.

use api_gateway::proxy::ProxyEvent;
use api_gateway::verifier::Verifier;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
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
    function::warm(operators.warm(function::now())).await;
    let provider = Provider::new(ledger, config.client_key, operators, Delays::default());
    run(service_fn(async |event: LambdaEvent<ProxyEvent>| {
        Ok::<_, Error>(provider.handle(&event.payload, function::now()).await)
    }))
    .await
}
