//! `gateway-docs`: the document of all routes, as it is and as a page.

use api_gateway::proxy::{ProxyAnswer, ProxyEvent};
use bff::{Answer, Edge, Origins, Problem, Request};
use uuid::Uuid;

use crate::document::Document;

/// Where the slugs of problems are explained.
const PROBLEMS: &str = "https://parkade.dev/problems/";

/// Answers one event of the gateway, whatever it holds. Whoever asks may know, from whichever page they ask.
pub async fn handle(document: &Document, event: ProxyEvent, fresh: Uuid) -> ProxyAnswer {
    let edge = Edge { problems: PROBLEMS, origins: Origins::Any };
    edge.serve(event, fresh, async |request| answer(document, &request)).await
}

fn answer(document: &Document, request: &Request) -> Result<Answer, Problem> {
    let answer = match request.route() {
        ("GET", "/openapi.json") => Answer::text("application/json", document.json()),
        ("GET", "/docs") => Answer::text("text/html; charset=utf-8", document.page())
            .with("Content-Security-Policy", document.policy())
            .with("Referrer-Policy", "no-referrer")
            .with("X-Frame-Options", "DENY"),
        _ => return Err(Problem::not_found("there is no such route")),
    };
    request.query(&[])?;
    Ok(answer.unless_known(request))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const EXAMPLE: &str = include_str!("../../events/gateway-docs.json");

    async fn asked(resource: &str, headers: &Value) -> ProxyAnswer {
        let mut event: Value = serde_json::from_str(EXAMPLE).unwrap();
        event["resource"] = json!(resource);
        event["headers"] = headers.clone();
        event["multiValueHeaders"] = Value::Null;
        let document = Document::of_the_platform().unwrap();
        handle(&document, serde_json::from_value(event).unwrap(), Uuid::nil()).await
    }

    #[tokio::test]
    async fn a_program_gets_every_route_and_nothing_of_how_it_is_run() {
        let answer = asked("/openapi.json", &json!({})).await;
        assert_eq!(answer.status_code, 200);
        let document: Value = serde_json::from_str(&answer.body).unwrap();
        let source = include_str!("../../../../contracts/openapi.yaml");
        let source: Value = serde_yaml_ng::from_str(source).unwrap();
        let paths =
            |it: &Value| it["paths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(paths(&document), paths(&source));
        assert!(!answer.body.contains("x-amazon") && !answer.body.contains("arn:"));
        let again = asked("/openapi.json", &json!({"If-None-Match": answer.headers["ETag"]})).await;
        assert_eq!((again.status_code, again.body.as_str()), (304, ""));
    }

    #[tokio::test]
    async fn a_person_gets_a_page_with_every_route_on_it_and_nothing_from_elsewhere() {
        let answer = asked("/docs", &json!({})).await;
        assert_eq!(answer.status_code, 200);
        let document = Document::of_the_platform().unwrap();
        let document: Value = serde_json::from_str(document.json()).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                assert!(answer.body.contains(path), "{path}");
                let id = operation["operationId"].as_str().unwrap();
                assert!(answer.body.contains(&format!("id=\"{id}\"")), "{id}");
            }
        }
        for schema in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(answer.body.contains(&format!("id=\"schema-{schema}\"")), "{schema}");
        }
        assert!(!answer.body.contains("<script") && !answer.body.contains("src="));
        let policy = &answer.headers["Content-Security-Policy"];
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"));
    }

    #[tokio::test]
    async fn there_is_nothing_else() {
        assert_eq!(asked("/docs/x", &json!({})).await.status_code, 404);
    }
}
