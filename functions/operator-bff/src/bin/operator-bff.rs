//! Lambda `operator-bff`: wiring only.

use ::bff::{guarded::Guarded, lambda::Functions};
use api_gateway::proxy::ProxyEvent;
use circuit_breaker::{control::Control, dynamodb::DynamoStore};
use function::breaker::Told;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use operator_bff::adapters::{sfn::StepFunctions, sqs::Sqs};
use operator_bff::{config::Config, handlers::bff};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = Config::from_env()?;
    let aws = function::aws_config().await;
    let breakers = DynamoStore::new(aws_sdk_dynamodb::Client::new(&aws), &config.breakers_table);
    let (functions, guarded) = (Functions::new(&aws), config.services.guarded());
    let services = Guarded::new(functions, guarded, &config.breaker, &breakers, &Told);
    let breakers = Control::new(breakers, Told);
    let machines = (config.booking_saga.clone(), config.booking_saga_undo.clone());
    let workflow = StepFunctions::new(aws_sdk_sfn::Client::new(&aws), machines.0, machines.1);
    let queues = Sqs::new(aws_sdk_sqs::Client::new(&aws));
    function::warm(services.services().warm_up(&config.services.booking_query)).await;
    run(service_fn(async |event: LambdaEvent<ProxyEvent>| {
        let (event, new_id) = (event.payload, function::new_id);
        let answer = bff::handle(&services, &workflow, &queues, &breakers, &config, event, new_id);
        Ok::<_, Error>(answer.await)
    }))
    .await
}
