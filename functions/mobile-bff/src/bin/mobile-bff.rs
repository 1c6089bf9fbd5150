//! Lambda `mobile-bff`: wiring only.

use bff::web::HttpAdapter;
use bff::{guarded::Guarded, lambda::Functions};
use circuit_breaker::{dynamodb::DynamoStore, store::Store as _};
use function::breaker::BreakerTelemetry;
use lambda_runtime::Error;
use mobile_bff::config::Config;
use mobile_bff::{App, PROBLEMS, router};

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
    let adapter = HttpAdapter::new(PROBLEMS, config.origins, function::new_id);
    api_gateway::lambda::serve(function::flushing(
        adapter.wrap(router(App::new(services, config.services))),
    ))
    .await
}
