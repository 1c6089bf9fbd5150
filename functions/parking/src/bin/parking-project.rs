//! Lambda `parking-project`: wiring only.

use cqrs::dynamodb::DynamoView;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use outbox::sqs::Queue;
use parking::config::ProjectConfig;
use parking::handlers::project;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = ProjectConfig::from_env()?;
    let aws = function::aws_config().await;
    let view = DynamoView::new(aws_sdk_dynamodb::Client::new(&aws), config.view_table);
    let dead_letters = Queue::new(aws_sdk_sqs::Client::new(&aws), config.dead_letters_url);
    function::warm(view.warm_up()).await;
    run(service_fn(async |event: LambdaEvent<_>| {
        Ok::<_, Error>(project::handle(&view, &dead_letters, event.payload).await)
    }))
    .await
}
