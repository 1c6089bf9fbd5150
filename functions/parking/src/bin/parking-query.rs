//! Lambda `parking-query`: wiring only.

use cqrs::cursor::Cursors;
use cqrs::dynamodb::DynamoGenerations;
use cqrs::live::Live;
use lambda_runtime::{Error, LambdaEvent};
use parking::config::QueryConfig;
use parking::handlers::query;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = QueryConfig::from_env()?;
    let aws = function::aws_config().await;
    let tables = aws_sdk_dynamodb::Client::new(&aws);
    let view = Live::new(DynamoGenerations::new(tables, config.view_table), function::now);
    let cursors = Cursors::new(&config.cursor_key);
    function::warm(view.generations().warm_up()).await;
    function::run(|event: LambdaEvent<_>| {
        query::handle(&view, view.generations(), &cursors, event.payload, function::now())
    })
    .await
}
