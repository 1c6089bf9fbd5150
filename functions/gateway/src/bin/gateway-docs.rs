//! Lambda `gateway-docs`: wiring only.

use api_gateway::proxy::ProxyEvent;
use gateway::document::Document;
use gateway::handlers::docs;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::telemetry();
    let document = Document::of_the_platform()?;
    run(service_fn(async |event: LambdaEvent<ProxyEvent>| {
        Ok::<_, Error>(docs::handle(&document, event.payload, function::new_id()).await)
    }))
    .await
}
