//! Lambda `booking-publish`: wiring only.

use booking::config::PublishConfig;
use booking::handlers::publish;
use booking::republish_source::BookingEvents;
use event_sourcing::dynamodb::DynamoStore;
use lambda_runtime::{Error, LambdaEvent};
use outbox::eventbridge::EventBridge;
use outbox::sqs::Queue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = PublishConfig::from_env()?;
    let aws = function::aws_config().await;
    let bus = EventBridge::new(aws_sdk_eventbridge::Client::new(&aws), config.bus_name);
    let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&aws), config.bookings_table);
    let queues = aws_sdk_sqs::Client::new(&aws);
    let republish_queue = Queue::new(queues.clone(), config.queue_url);
    let dead_letters = Queue::new(queues, config.dead_letters_url);
    let source = BookingEvents(&store);
    function::run(async |event: LambdaEvent<_>| {
        let response =
            publish::handle(&source, &bus, &republish_queue, &dead_letters, event.payload);
        Ok::<_, Error>(response.await)
    })
    .await
}
