//! Lambda `billing-publish`: wiring only.

use billing::config::PublishConfig;
use billing::handlers::publish;
use lambda_runtime::{Error, LambdaEvent};
use outbox::dynamodb::DynamoStore;
use outbox::eventbridge::EventBridge;
use outbox::sqs::Queue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = PublishConfig::from_env()?;
    let aws = function::aws_config().await;
    let bus = EventBridge::new(aws_sdk_eventbridge::Client::new(&aws), config.bus_name);
    let store =
        DynamoStore::new(aws_sdk_dynamodb::Client::new(&aws), config.bills_table, function::now);
    let queues = aws_sdk_sqs::Client::new(&aws);
    let republish_queue = Queue::new(queues.clone(), config.queue_url);
    let dead_letters = Queue::new(queues, config.dead_letters_url);
    function::run(async |event: LambdaEvent<_>| {
        let response =
            publish::handle(&store, &bus, &republish_queue, &dead_letters, event.payload);
        Ok::<_, Error>(response.await)
    })
    .await
}
