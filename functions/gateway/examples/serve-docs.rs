//! Serves the document of all routes on a local port: `cargo run --profile local --example serve-docs`, then open
//! <http://127.0.0.1:8080/docs>.

use gateway::document::Document;
use gateway::handlers::docs::router;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    function::telemetry();
    let port = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(8080);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    tracing::info!(address = %listener.local_addr()?, "serving");
    let routes = router(Document::of_the_platform()?, function::new_id);
    Ok(axum::serve(listener, routes).await?)
}
