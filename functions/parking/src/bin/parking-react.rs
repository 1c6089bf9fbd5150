//! Lambda `parking-react`: wiring only.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use outbox::dynamodb::DynamoStore;
use parking::config::WriteConfig;
use parking::handlers::react;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = WriteConfig::from_env()?;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let store = DynamoStore::new(tables, config.slots_table, function::now);
    function::warm(store.warm_up()).await;
    run(service_fn(async |event: LambdaEvent<_>| {
        Ok::<_, Error>(react::handle(&store, event.payload, function::now, function::new_id).await)
    }))
    .await
}
