//! Lambda `gateway-docs`: wiring only.

use gateway::document::Document;
use gateway::handlers::docs::router;
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let document = Document::of_the_platform()?;
    api_gateway::lambda::serve(function::flushing(router(document, function::new_id))).await
}
