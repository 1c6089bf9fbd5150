//! Lambda `booking-resume`: wiring only.

use booking::adapters::step_functions::StepFunctions;
use booking::config::ResumeConfig;
use booking::handlers::resume;
use lambda_runtime::{Error, LambdaEvent};
use outbox::sqs::Queue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let config = ResumeConfig::from_env()?;
    let aws = function::aws_config().await;
    let compensations = StepFunctions::new(aws_sdk_sfn::Client::new(&aws), config.compensation_arn);
    let dead_letters = Queue::new(aws_sdk_sqs::Client::new(&aws), config.dead_letters_url);
    function::run(async |event: LambdaEvent<_>| {
        Ok::<_, Error>(resume::handle(&compensations, &dead_letters, event.payload).await)
    })
    .await
}
