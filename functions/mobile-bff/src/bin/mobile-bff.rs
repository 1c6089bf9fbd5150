//! Lambda `mobile-bff`: wiring only.

use ::bff::lambda::Functions;
use api_gateway::proxy::ProxyEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use mobile_bff::config::Config;
use mobile_bff::handlers::bff;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = Config::from_env()?;
    let services = Functions::new(&function::aws_config().await);
    function::warm(services.warm_up(&config.services.booking_query)).await;
    run(service_fn(async |event: LambdaEvent<ProxyEvent>| {
        Ok::<_, Error>(bff::handle(&services, &config, event.payload, function::new_id).await)
    }))
    .await
}
