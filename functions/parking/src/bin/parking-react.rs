//! Lambda `parking-react`: wiring only.

use lambda_runtime::{Error, LambdaEvent};
use outbox::dynamodb::DynamoStore;
use outbox::sqs::Queue;
use parking::config::ReactConfig;
use parking::handlers::react;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = ReactConfig::from_env()?;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let store = DynamoStore::new(tables, config.slots_table, function::now);
    let dead_letters = Queue::new(aws_sdk_sqs::Client::new(&aws), config.dead_letters_url);
    function::warm(store.warm_up()).await;
    function::run(async |event: LambdaEvent<_>| {
        let (now, new_id) = (function::now, function::new_id);
        Ok::<_, Error>(react::handle(&store, &dead_letters, event.payload, now, new_id).await)
    })
    .await
}
