//! Lambda `billing-react`: wiring only.

use billing::adapters::aws_payment_service::{payment_service, warm_up};
use billing::adapters::dynamodb::DynamoDueBills;
use billing::config::ReactConfig;
use billing::handlers::react;
use lambda_runtime::{Error, LambdaEvent};
use outbox::sqs::Queue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = ReactConfig::from_env()?;
    let ReactConfig { payments, due_after, queue_url, dead_letters_url } = config;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let due = DynamoDueBills::new(tables.clone(), payments.bills_table.clone());
    let queues = aws_sdk_sqs::Client::new(&aws);
    let queue = Queue::new(queues.clone(), queue_url);
    let dead_letters = Queue::new(queues, dead_letters_url);
    let service = payment_service(&tables, payments)?;
    warm_up(&service).await;
    function::run(|event: LambdaEvent<_>| {
        react::handle(&service, &due, &queue, &dead_letters, due_after, event.payload)
    })
    .await
}
