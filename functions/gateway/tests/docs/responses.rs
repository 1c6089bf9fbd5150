//! The response of each route to valid and invalid requests: status, headers and body, as snapshots.

use gateway::document::Document;
use gateway::handlers::docs::router;
use gateway_events::recorder::Record;
use gateway_events::{Received, Sent};
use uuid::Uuid;

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
const JSON: &str = "application/json";

fn sent(method: &str, path: &str) -> Sent {
    Sent::of_event(include_str!("../../events/gateway-docs.json"), method, path, &[])
}

fn browser(path: &str) -> Sent {
    sent("GET", path).header("Accept", HTML)
}

fn program(path: &str) -> Sent {
    sent("GET", path).header("Accept", JSON)
}

async fn response(sent: Sent) -> Received {
    sent.send_to(router(Document::of_the_platform().expect("a document"), Uuid::nil)).await
}

/// Without the hashes of the document, the page and the style sheet, which change with every route.
async fn record() -> Record {
    let document = Document::of_the_platform().expect("a document");
    let style = document.policy().split('\'').find(|it| it.starts_with("sha256-"));
    let mut record =
        Record::new(&[("the document", document.json()), ("the page", &document.page("./"))])
            .with_name("sha256-(hash)", style.expect("the hash of the style sheet"));
    let pages = ["/openapi.json", "/docs", "/"].map(browser);
    for page in pages.into_iter().chain([browser("/").address("/v1")]) {
        let tag = response(page).await.headers["ETag"].clone();
        record = record.with_name("(hash)", tag.trim_start_matches("W/").trim_matches('"'));
    }
    record
}

async fn responses(cases: Vec<(&str, Sent)>) -> String {
    let mut record = record().await;
    for (title, sent) in cases {
        record.add(title, &response(sent).await);
    }
    record.into_text()
}

#[tokio::test]
async fn the_document() {
    for path in ["/openapi.json", "/docs"] {
        let get = || sent("GET", path);
        let cases = vec![
            ("a browser", browser(path)),
            ("a program", program(path)),
            ("from a page of another origin", get().header("Origin", "https://a.example")),
            ("any is known", get().header("If-None-Match", "*")),
            ("another is known", get().header("If-None-Match", "\"x\"")),
            ("a parameter", get().query("x", "1")),
            ("a parameter, a browser", browser(path).query("x", "1")),
            ("a correlation id that is none", get().header("X-Correlation-Id", "<script>")),
            ("HEAD", sent("HEAD", path)),
            ("POST", sent("POST", path)),
            ("OPTIONS", sent("OPTIONS", path)),
            ("a preflight", {
                let options = sent("OPTIONS", path).header("Origin", "https://a.example");
                options.header("Access-Control-Request-Method", "GET")
            }),
        ];
        let name = path.trim_start_matches('/').replace('.', "_");
        insta::assert_snapshot!(name, responses(cases).await);
    }
}

#[tokio::test]
async fn the_first_page() {
    insta::assert_snapshot!(
        responses(vec![
            ("a browser", browser("/")),
            ("a browser, without a slash behind the stage", browser("/").address("/v1")),
            ("a program", program("/")),
            ("any media type", sent("GET", "/").header("Accept", "*/*")),
            ("a parameter, a browser", browser("/").query("x", "1")),
            ("POST, a browser", sent("POST", "/").header("Accept", HTML)),
            ("OPTIONS", sent("OPTIONS", "/").header("Origin", "https://a.example")),
        ])
        .await
    );
}

#[tokio::test]
async fn no_such_route() {
    let post = |accept| sent("POST", "/nope").header("Accept", accept);
    insta::assert_snapshot!(
        responses(vec![
            ("a browser", browser("/nope")),
            ("a browser, below", browser("/a/b/c")),
            ("a program", program("/nope")),
            ("a program of another origin", {
                program("/nope").header("Origin", "https://a.example")
            }),
            ("any media type", sent("GET", "/nope").header("Accept", "*/*")),
            ("POST, a browser", post(HTML)),
            ("POST, a program", post(JSON)),
            ("OPTIONS", sent("OPTIONS", "/nope").header("Origin", "https://a.example")),
        ])
        .await
    );
}
