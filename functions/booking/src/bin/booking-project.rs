//! Lambda `booking-project`: wiring only.

use booking::config::ProjectConfig;
use booking::handlers::project;
use cqrs::dynamodb::DynamoGenerations;
use cqrs::lag::ReportThrottle;
use event_sourcing::dynamodb::DynamoStore;
use lambda_runtime::{Error, LambdaEvent};
use outbox::redrive::handle_records;
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
    let throttle = ReportThrottle::default();
    function::run(async |event: LambdaEvent<_>| {
        let project = async |records| {
            project::handle(&store, &views, &dead_letters, &throttle, function::now, records).await
        };
        Ok::<_, Error>(handle_records(event.payload, &dead_letters, project).await)
    })
    .await
}
