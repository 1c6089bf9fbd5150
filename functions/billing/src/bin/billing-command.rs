//! Lambda `billing-command`: wiring only.

use billing::adapters::aws_payment_service::{payment_service, warm_up};
use billing::config::PaymentConfig;
use billing::handlers::command;
use lambda_runtime::{Error, LambdaEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = PaymentConfig::from_env()?;
    let tables = aws_sdk_dynamodb::Client::new(&function::aws_config().await);
    let service = payment_service(&tables, config)?;
    let provider = &service.provider.provider;
    tokio::join!(warm_up(&service), function::warm(provider.warm_up()));
    function::run(|event: LambdaEvent<_>| command::handle(&service, event.payload)).await
}
