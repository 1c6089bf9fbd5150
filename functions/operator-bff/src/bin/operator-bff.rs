//! Lambda `operator-bff`: wiring only.

use bff::{Runtime, guarded::Guarded, lambda::Functions};
use circuit_breaker::{control::Control, dynamodb::DynamoStore};
use function::breaker::BreakerTelemetry;
use lambda_runtime::Error;
use operator_bff::adapters::{sfn::StepFunctions, sqs::Sqs};
use operator_bff::{App, adapter, config::Config, service, views::SITE};
use pages::{Pages, PagesSettings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let (config, aws) = (Config::from_env()?, function::aws_config().await);
    let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&aws), &config.breakers_table);
    let (functions, guarded) = (Functions::new(&aws), config.services.guarded());
    let services = Guarded::new(functions, guarded, &config.breaker, &store, &BreakerTelemetry);
    let breakers =
        Control::new(store.clone(), BreakerTelemetry).with_settings(config.breaker.clone());
    let queues = Sqs::new(aws_sdk_sqs::Client::new(&aws));
    let workflow = StepFunctions::new(aws_sdk_sfn::Client::new(&aws), config.machines());
    let runtime = Runtime::new(function::now, function::new_id, function::new_secret);
    let pages = Pages::new(&SITE, PagesSettings::from_env()?, runtime.clone())?;
    let dry_run = services.services().warm_up(&config.services.booking_query);
    tokio::join!(function::warm(dry_run), function::warm(pages.warm_up()));
    let adapter = adapter(config.origins.clone(), &runtime);
    let app = App::new(services, workflow, queues, breakers, config, runtime);
    api_gateway::lambda::serve(function::flushing(service(&pages, app, adapter))).await
}
