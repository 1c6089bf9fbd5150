//! Lambda `booking-react`: wiring only.

use booking::adapters::step_functions::StepFunctions;
use booking::config::ReactConfig;
use booking::handlers::react;
use event_sourcing::dynamodb::DynamoStore;
use lambda_runtime::{Error, LambdaEvent};
use outbox::sqs::Queue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = ReactConfig::from_env()?;
    let aws = function::aws_config().await;
    let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&aws), config.bookings_table);
    let sagas = StepFunctions::new(aws_sdk_sfn::Client::new(&aws), config.saga_arn);
    let dead_letters = Queue::new(aws_sdk_sqs::Client::new(&aws), config.dead_letters_url);
    function::warm(store.warm_up()).await;
    function::run(async |event: LambdaEvent<_>| {
        let (now, new_id) = (function::now, function::new_id);
        let response = react::handle(&store, &sagas, &dead_letters, event.payload, now, new_id);
        Ok::<_, Error>(response.await)
    })
    .await
}
