//! Lambda `operator-bff`: wiring only.

use ::bff::{guarded::Guarded, lambda::Functions, pages::Fresh, pages::Front};
use api_gateway::proxy::ProxyEvent;
use circuit_breaker::{control::Control, dynamodb::DynamoStore};
use function::breaker::BreakerTelemetry;
use lambda_runtime::{Error, LambdaEvent};
use operator_bff::adapters::{sfn::StepFunctions, sqs::Sqs};
use operator_bff::{config::Config, handlers::bff, pages::SITE};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let (config, aws) = (&Config::from_env()?, function::aws_config().await);
    let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&aws), &config.breakers_table);
    let (functions, guarded) = (Functions::new(&aws), config.services.guarded());
    let services = &Guarded::new(functions, guarded, &config.breaker, &store, &BreakerTelemetry);
    let queues = &Sqs::new(aws_sdk_sqs::Client::new(&aws));
    let breakers = &Control::new(store, BreakerTelemetry).with_settings(config.breaker.clone());
    let workflow = &StepFunctions::new(aws_sdk_sfn::Client::new(&aws), config.machines());
    let front = &Front::new(&SITE, bff::PROBLEMS, Config::entrance()?)?;
    function::warm(services.services().warm_up(&config.services.booking_query)).await;
    function::warm(front.verifier.warm(function::now())).await;
    let backend = &bff::Backend { services, workflow, queues, breakers, config };
    function::run(async |event: LambdaEvent<ProxyEvent>| {
        let (now, id, secret) = (function::now(), function::new_id, function::new_secret);
        Ok::<_, Error>(backend.handle(front, event.payload, Fresh { now, id, secret }).await)
    })
    .await
}
