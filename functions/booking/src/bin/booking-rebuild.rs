//! Lambda `booking-rebuild`: wiring only.

use booking::config::RebuildConfig;
use booking::handlers::rebuild;
use booking::source::Bookings;
use cqrs::dynamodb::DynamoGenerations;
use event_sourcing::dynamodb::DynamoStore;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = RebuildConfig::from_env()?;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let store = DynamoStore::new(tables.clone(), config.bookings_table);
    let views = DynamoGenerations::new(tables, config.view_table);
    run(service_fn(async |event: LambdaEvent<_>| {
        let worker = &event.context.request_id;
        rebuild::handle(&views, &Bookings(&store), event.payload, worker, function::now).await
    }))
    .await
}
