//! Lambda `booking-project`: wiring only.

use booking::config::ProjectConfig;
use booking::handlers::project;
use cqrs::dynamodb::DynamoGenerations;
use cqrs::lag::Gauge;
use event_sourcing::dynamodb::DynamoStore;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use outbox::sqs::Queue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = ProjectConfig::from_env()?;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let store = DynamoStore::new(tables.clone(), config.bookings_table);
    let views = DynamoGenerations::new(tables, config.view_table);
    let dead_letters = Queue::new(aws_sdk_sqs::Client::new(&aws), config.dead_letters_url);
    function::warm(views.warm_up()).await;
    let gauge = Gauge::default();
    run(service_fn(async |event: LambdaEvent<_>| {
        let handled =
            project::handle(&store, &views, &dead_letters, &gauge, function::now, event.payload);
        Ok::<_, Error>(handled.await)
    }))
    .await
}
