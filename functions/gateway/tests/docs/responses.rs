//! What each route answers to valid and invalid requests: status, headers and body, as snapshots.

use gateway::document::Document;
use gateway::handlers::docs::router;
use regex_lite::Regex;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::recorder::{Record, Response};

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
const JSON: &str = "application/json";

/// A request, as API Gateway hands it over.
struct Sent(Value);

impl Sent {
    fn new(method: &str, path: &str) -> Self {
        let recorded = include_str!("../../events/gateway-docs.json");
        let mut event: Value = serde_json::from_str(recorded).expect("JSON");
        event["httpMethod"] = json!(method);
        event["path"] = json!(path);
        event["requestContext"]["path"] = json!(format!("/v1{path}"));
        Self(event)
    }

    fn browser(path: &str) -> Self {
        Self::new("GET", path).header("Accept", HTML)
    }

    fn program(path: &str) -> Self {
        Self::new("GET", path).header("Accept", JSON)
    }

    /// Whose address has no stage before the path, or the stage without a slash.
    fn address(mut self, address: &str) -> Self {
        self.0["requestContext"]["path"] = json!(address);
        self
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.0["headers"][name] = json!(value);
        self.0["multiValueHeaders"][name] = json!([value]);
        self
    }

    fn query(mut self, name: &str, value: &str) -> Self {
        self.0["queryStringParameters"] = json!({name: value});
        self.0["multiValueQueryStringParameters"] = json!({name: [value]});
        self
    }

    async fn response(self) -> Response {
        let routes = router(Document::of_the_platform().expect("a document"), Uuid::nil);
        let event = serde_json::from_value(self.0).expect("an event");
        let Ok(answer) = api_gateway::lambda::respond(routes, event).await;
        let answer = serde_json::to_value(answer).expect("JSON");
        let headers = answer["multiValueHeaders"].as_object().expect("headers").iter();
        let headers = headers.flat_map(|(name, values)| {
            let values = values.as_array().expect("values").iter();
            values.map(|it| (name.clone(), known(name, it.as_str().expect("a text"))))
        });
        Response {
            status: answer["statusCode"].as_u64().expect("a status").try_into().expect("HTTP"),
            headers: headers.collect(),
            body: answer["body"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// A header without the hashes of what is in the document and in the style sheet.
fn known(name: &str, value: &str) -> String {
    let (hash, shown) = match name {
        "etag" => ("\"[^\"]+\"", "\"(hash)\""),
        "content-security-policy" => ("'sha256-[^']+'", "'sha256-(hash)'"),
        _ => return value.to_owned(),
    };
    Regex::new(hash).expect("a pattern").replace_all(value, shown).into_owned()
}

async fn responses(cases: Vec<(&str, Sent)>) -> String {
    let document = Document::of_the_platform().expect("a document");
    let mut record =
        Record::new(&[("the document", document.json()), ("the page", document.page())]);
    for (title, sent) in cases {
        record.add(title, &sent.response().await);
    }
    record.into_text()
}

#[tokio::test]
async fn the_document() {
    for path in ["/openapi.json", "/docs"] {
        let get = || Sent::new("GET", path);
        let cases = vec![
            ("a browser", Sent::browser(path)),
            ("a program", Sent::program(path)),
            ("from a page of another origin", get().header("Origin", "https://a.example")),
            ("any is known", get().header("If-None-Match", "*")),
            ("another is known", get().header("If-None-Match", "\"x\"")),
            ("a parameter", get().query("x", "1")),
            ("a parameter, a browser", Sent::browser(path).query("x", "1")),
            ("a correlation id that is none", get().header("X-Correlation-Id", "<script>")),
            ("HEAD", Sent::new("HEAD", path)),
            ("POST", Sent::new("POST", path)),
            ("OPTIONS", Sent::new("OPTIONS", path)),
            ("a preflight", {
                let sent = Sent::new("OPTIONS", path).header("Origin", "https://a.example");
                sent.header("Access-Control-Request-Method", "GET")
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
            ("a browser", Sent::browser("/")),
            ("a browser, without a slash behind the stage", Sent::browser("/").address("/v1")),
            ("a program", Sent::program("/")),
            ("any media type", Sent::new("GET", "/").header("Accept", "*/*")),
            ("a parameter, a browser", Sent::browser("/").query("x", "1")),
            ("POST, a browser", Sent::new("POST", "/").header("Accept", HTML)),
            ("OPTIONS", Sent::new("OPTIONS", "/").header("Origin", "https://a.example")),
        ])
        .await
    );
}

#[tokio::test]
async fn no_such_route() {
    let post = |accept| Sent::new("POST", "/nope").header("Accept", accept);
    insta::assert_snapshot!(
        responses(vec![
            ("a browser", Sent::browser("/nope")),
            ("a browser, below", Sent::browser("/a/b/c")),
            ("a program", Sent::program("/nope")),
            ("a program of another origin", {
                Sent::program("/nope").header("Origin", "https://a.example")
            }),
            ("any media type", Sent::new("GET", "/nope").header("Accept", "*/*")),
            ("POST, a browser", post(HTML)),
            ("POST, a program", post(JSON)),
            ("OPTIONS", Sent::new("OPTIONS", "/nope").header("Origin", "https://a.example")),
        ])
        .await
    );
}
