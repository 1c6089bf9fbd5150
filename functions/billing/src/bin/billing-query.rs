//! Lambda `billing-query`: wiring only.

use billing::config::QueryConfig;
use billing::handlers::query;
use cqrs::dynamodb::DynamoView;
use lambda_runtime::{Error, LambdaEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = QueryConfig::from_env()?;
    let aws = function::aws_config().await;
    let view = DynamoView::new(aws_sdk_dynamodb::Client::new(&aws), config.view_table);
    function::warm(view.warm_up()).await;
    function::run(|event: LambdaEvent<_>| query::handle(&view, event.payload)).await
}
