//! Lambda `mobile-bff`: wiring only.

use ::bff::{guarded::Guarded, lambda::Functions};
use api_gateway::proxy::ProxyEvent;
use circuit_breaker::{dynamodb::DynamoStore, store::Store as _};
use function::breaker::BreakerTelemetry;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use mobile_bff::config::Config;
use mobile_bff::handlers::bff;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = Config::from_env()?;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let breakers = DynamoStore::new(tables, config.breakers_table.clone());
    let (functions, guarded) = (Functions::new(&aws), config.services.guarded());
    let services = Guarded::new(functions, guarded, &config.breaker, &breakers, &BreakerTelemetry);
    let opening = async { breakers.load("booking-query").await.map(drop) };
    let dry_run = services.services().warm_up(&config.services.booking_query);
    tokio::join!(function::warm(dry_run), function::warm(opening));
    run(service_fn(async |event: LambdaEvent<ProxyEvent>| {
        Ok::<_, Error>(bff::handle(&services, &config, event.payload, function::new_id).await)
    }))
    .await
}
