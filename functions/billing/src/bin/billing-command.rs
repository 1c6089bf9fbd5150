//! Lambda `billing-command`: wiring only.

use billing::adapters::desk;
use billing::config::DeskConfig;
use billing::handlers::command;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = DeskConfig::from_env()?;
    let tables = aws_sdk_dynamodb::Client::new(&function::aws_config().await);
    let desk = desk::desk(&tables, config)?;
    let provider = &desk.provider.provider;
    tokio::join!(desk::warm_up(&desk), function::warm(provider.warm_up()));
    run(service_fn(|event: LambdaEvent<_>| command::handle(&desk, event.payload))).await
}
