//! Lambda `web-bff`: wiring only.

use ::bff::{guarded::Guarded, lambda::Functions};
use api_gateway::proxy::ProxyEvent;
use api_gateway::verifier::Verifier;
use circuit_breaker::dynamodb::DynamoStore;
use function::breaker::Told;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use web_bff::handlers::bff::{Fresh, Front};
use web_bff::{adapters::https::Https, config::Config, recollection::Recollection};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let Config { services: at, keys, door, breakers_table, breaker } = Config::from_env()?;
    let aws = function::aws_config().await;
    let breakers = DynamoStore::new(aws_sdk_dynamodb::Client::new(&aws), breakers_table);
    let services = Guarded::new(Functions::new(&aws), at.guarded(), &breaker, &breakers, &Told);
    let (verifier, provider) = (Verifier::new(keys, door.expectations.clone()), Https::new()?);
    let remembered = Recollection::default();
    function::warm(services.services().warm_up(&at.booking_query)).await;
    function::warm(verifier.warm(function::now())).await;
    let front = Front { services, at, verifier, provider, door, remembered };
    run(service_fn(async |event: LambdaEvent<ProxyEvent>| {
        let fresh =
            Fresh { now: function::now(), id: function::new_id, secret: function::new_secret };
        Ok::<_, Error>(front.handle(event.payload, fresh).await)
    }))
    .await
}
