//! Lambda `parking-query`: wiring only.

use cqrs::cursor::Cursors;
use cqrs::dynamodb::DynamoView;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use parking::config::QueryConfig;
use parking::handlers::query;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = QueryConfig::from_env()?;
    let aws = function::aws_config().await;
    let view = DynamoView::new(aws_sdk_dynamodb::Client::new(&aws), config.view_table);
    let cursors = Cursors::new(&config.cursor_key);
    function::warm(view.warm_up()).await;
    run(service_fn(|event: LambdaEvent<_>| query::handle(&view, &cursors, event.payload))).await
}
