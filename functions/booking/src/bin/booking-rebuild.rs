//! Lambda `booking-rebuild`: wiring only.

use booking::config::RebuildConfig;
use booking::handlers::rebuild;
use booking::rebuild_source::BookingRows;
use cqrs::dynamodb::DynamoGenerations;
use event_sourcing::dynamodb::DynamoStore;
use lambda_runtime::{Error, LambdaEvent};
use outbox::sqs::Queue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = RebuildConfig::from_env()?;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let store = DynamoStore::new(tables.clone(), config.bookings_table);
    let views = DynamoGenerations::new(tables, config.view_table);
    let dead_letters = Queue::new(aws_sdk_sqs::Client::new(&aws), config.dead_letters_url);
    function::run(async |event: LambdaEvent<_>| {
        let LambdaEvent { payload, context, .. } = event;
        let (source, worker) = (BookingRows(&store), &context.request_id);
        rebuild::handle(&views, &source, &dead_letters, payload, worker, function::now).await
    })
    .await
}
