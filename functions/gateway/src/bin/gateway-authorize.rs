//! Lambda `gateway-authorize`: wiring only.

use api_gateway::verifier::Verifier;
use gateway::config::AuthorizeConfig;
use gateway::handlers::authorize;
use lambda_runtime::{Error, LambdaEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = AuthorizeConfig::from_env()?;
    let (verifier, stage) = (Verifier::new(config.keys, config.expectations), config.stage);
    function::warm(verifier.warm(function::now())).await;
    function::run(|event: LambdaEvent<authorize::AuthorizerRequest>| {
        authorize::handle(&verifier, &stage, event.payload)
    })
    .await
}
