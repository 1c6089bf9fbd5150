//! Lambda `billing-react`: wiring only.

use billing::adapters::{dynamodb::DynamoDueBills, http::HttpProvider};
use billing::config::{DeskConfig, ReactConfig};
use billing::{desk::Desk, handlers::react, ports::ATTEMPT_TIMEOUT};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use outbox::{dynamodb::DynamoStore, sqs::Queue};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = ReactConfig::from_env()?;
    let ReactConfig { desk, due_after, queue_url, dead_letters_url } = config;
    let DeskConfig { bills_table, total, provider_url, provider_key } = desk;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let due = DynamoDueBills::new(tables.clone(), bills_table.clone());
    let store = DynamoStore::new(tables, bills_table, function::now);
    let queues = aws_sdk_sqs::Client::new(&aws);
    let queue = Queue::new(queues.clone(), queue_url);
    let dead_letters = Queue::new(queues, dead_letters_url);
    let provider = HttpProvider::new(&provider_url, provider_key, ATTEMPT_TIMEOUT)?;
    function::warm(store.warm_up()).await;
    let (now, new_id) = (function::now, function::new_id);
    let desk = Desk { store, provider, now, new_id, total };
    run(service_fn(|event: LambdaEvent<_>| {
        react::handle(&desk, &due, &queue, &dead_letters, due_after, event.payload)
    }))
    .await
}
