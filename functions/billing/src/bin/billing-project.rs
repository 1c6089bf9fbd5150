//! Lambda `billing-project`: wiring only.

use billing::config::ProjectConfig;
use billing::handlers::project;
use cqrs::dynamodb::DynamoView;
use lambda_runtime::{Error, LambdaEvent};
use outbox::redrive::handle_records;
use outbox::sqs::Queue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = ProjectConfig::from_env()?;
    let aws = function::aws_config().await;
    let view = DynamoView::new(aws_sdk_dynamodb::Client::new(&aws), config.view_table);
    let dead_letters = Queue::new(aws_sdk_sqs::Client::new(&aws), config.dead_letters_url);
    function::warm(view.warm_up()).await;
    function::run(async |event: LambdaEvent<_>| {
        let project = async |records| project::handle(&view, &dead_letters, records).await;
        Ok::<_, Error>(handle_records(event.payload, &dead_letters, project).await)
    })
    .await
}
