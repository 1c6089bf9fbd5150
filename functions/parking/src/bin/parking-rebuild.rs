//! Lambda `parking-rebuild`: wiring only.

use cqrs::dynamodb::DynamoGenerations;
use lambda_runtime::{Error, LambdaEvent};
use outbox::dynamodb::DynamoStore;
use outbox::sqs::Queue;
use parking::config::RebuildConfig;
use parking::handlers::rebuild;
use parking::rebuild_source::SlotRows;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = RebuildConfig::from_env()?;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let store = DynamoStore::new(tables.clone(), config.slots_table, function::now);
    let views = DynamoGenerations::new(tables, config.view_table);
    let dead_letters = Queue::new(aws_sdk_sqs::Client::new(&aws), config.dead_letters_url);
    function::run(async |event: LambdaEvent<_>| {
        let LambdaEvent { payload, context, .. } = event;
        let (source, worker) = (SlotRows(&store), &context.request_id);
        rebuild::handle(&views, &source, &dead_letters, payload, worker, function::now).await
    })
    .await
}
