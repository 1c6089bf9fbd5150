//! Lambda `billing-command`: wiring only.

use billing::adapters::http::HttpProvider;
use billing::config::DeskConfig;
use billing::desk::Desk;
use billing::handlers::command;
use billing::ports::ATTEMPT_TIMEOUT;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use outbox::dynamodb::DynamoStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = DeskConfig::from_env()?;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let store = DynamoStore::new(tables, config.bills_table, function::now);
    let provider = HttpProvider::new(&config.provider_url, config.provider_key, ATTEMPT_TIMEOUT)?;
    tokio::join!(function::warm(store.warm_up()), function::warm(provider.warm_up()));
    let (now, new_id) = (function::now, function::new_id);
    let desk = Desk { store, provider, now, new_id, total: config.total };
    run(service_fn(|event: LambdaEvent<_>| command::handle(&desk, event.payload))).await
}
