//! Lambda `web-bff`: wiring only.

use ::bff::pages::{Fresh, Front};
use ::bff::{guarded::Guarded, lambda::Functions};
use api_gateway::proxy::ProxyEvent;
use circuit_breaker::dynamodb::DynamoStore;
use function::breaker::BreakerTelemetry;
use lambda_runtime::{Error, LambdaEvent};
use web_bff::handlers::bff::{PROBLEMS, Web};
use web_bff::{config::Config, pages::SITE, response_cache::ResponseCache};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let Config { services: at, entrance, breakers_table, breaker } = Config::from_env()?;
    let aws = function::aws_config().await;
    let breakers = DynamoStore::new(aws_sdk_dynamodb::Client::new(&aws), breakers_table);
    let services =
        Guarded::new(Functions::new(&aws), at.guarded(), &breaker, &breakers, &BreakerTelemetry);
    let front = Front::new(&SITE, PROBLEMS, entrance)?;
    function::warm(services.services().warm_up(&at.booking_query)).await;
    function::warm(front.verifier.warm(function::now())).await;
    let web = Web { services, at, front, cache: ResponseCache::default() };
    function::run(async |event: LambdaEvent<ProxyEvent>| {
        let (now, id, secret) = (function::now(), function::new_id, function::new_secret);
        Ok::<_, Error>(web.handle(event.payload, Fresh { now, id, secret }).await)
    })
    .await
}
