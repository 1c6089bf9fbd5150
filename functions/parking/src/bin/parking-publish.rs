//! Lambda `parking-publish`: wiring only.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use outbox::eventbridge::EventBridge;
use outbox::sqs::Queue;
use parking::config::PublishConfig;
use parking::handlers::publish;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = PublishConfig::from_env()?;
    let aws = function::aws_config().await;
    let bus = EventBridge::new(aws_sdk_eventbridge::Client::new(&aws), config.bus_name);
    let dead_letters = Queue::new(aws_sdk_sqs::Client::new(&aws), config.dead_letters_url);
    run(service_fn(async |event: LambdaEvent<_>| {
        Ok::<_, Error>(publish::handle(&bus, &dead_letters, event.payload).await)
    }))
    .await
}
