//! Lambda `web-bff`: wiring only.

use bff::{Runtime, guarded::Guarded, lambda::Functions};
use circuit_breaker::{dynamodb::DynamoStore, store::Store as _};
use function::breaker::BreakerTelemetry;
use lambda_runtime::Error;
use pages::Pages;
use web_bff::{App, adapter, config::Config, service, views::SITE};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let Config { services: functions, pages, breakers_table, breaker } = Config::from_env()?;
    let aws = function::aws_config().await;
    let breakers = DynamoStore::new(aws_sdk_dynamodb::Client::new(&aws), breakers_table);
    let (invoke, guarded) = (Functions::new(&aws), functions.guarded());
    let services = Guarded::new(invoke, guarded, &breaker, &breakers, &BreakerTelemetry);
    let runtime = Runtime::new(function::now, function::new_id, function::new_secret);
    let pages = Pages::new(&SITE, pages, runtime.clone())?;
    let opening = async { breakers.load("booking-query").await.map(drop) };
    let dry_run = services.services().warm_up(&functions.booking_query);
    tokio::join!(function::warm(dry_run), function::warm(opening), function::warm(pages.warm_up()));
    let adapter = adapter(&runtime);
    let app = App::new(services, functions, runtime);
    api_gateway::lambda::serve(function::flushing(service(&pages, app, adapter))).await
}
