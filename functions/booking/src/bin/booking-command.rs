//! Lambda `booking-command`: wiring only.

use booking::config::CommandConfig;
use booking::handlers::command;
use event_sourcing::dynamodb::DynamoStore;
use lambda_runtime::{Error, LambdaEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = CommandConfig::from_env()?;
    let aws = function::aws_config().await;
    let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&aws), config.bookings_table);
    function::warm(store.warm_up()).await;
    function::run(|event: LambdaEvent<_>| {
        command::handle(&store, event.payload, function::now(), function::new_id)
    })
    .await
}
