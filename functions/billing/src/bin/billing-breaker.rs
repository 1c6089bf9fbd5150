//! Lambda `billing-breaker`: wiring only.

use billing::config::BreakerConfig;
use billing::handlers::breaker;
use circuit_breaker::control::Control;
use circuit_breaker::dynamodb::DynamoStore;
use function::breaker::BreakerTelemetry;
use lambda_runtime::{Error, LambdaEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = BreakerConfig::from_env()?;
    let tables = aws_sdk_dynamodb::Client::new(&function::aws_config().await);
    let control = Control::new(DynamoStore::new(tables, config.breakers_table), BreakerTelemetry);
    function::run(|event: LambdaEvent<_>| breaker::handle(&control, event.payload)).await
}
