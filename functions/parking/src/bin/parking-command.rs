//! Lambda `parking-command`: wiring only.

use lambda_runtime::{Error, LambdaEvent};
use outbox::dynamodb::DynamoStore;
use parking::config::CommandConfig;
use parking::handlers::command;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = CommandConfig::from_env()?;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let store = DynamoStore::new(tables, config.slots_table, function::now);
    function::warm(store.warm_up()).await;
    function::run(|event: LambdaEvent<_>| {
        command::handle(&store, event.payload, function::now(), function::new_id)
    })
    .await
}
