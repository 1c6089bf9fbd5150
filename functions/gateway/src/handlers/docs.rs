//! `gateway-docs`: the document of all routes, as it is and as a page.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bff::Origins;
use bff::web::{HttpAdapter, NoParameters, StrictQuery, conditional};
use uuid::Uuid;

use crate::document::Document;

/// Where the slugs of problems are explained.
const PROBLEMS: &str = "https://parkade.dev/problems/";

/// The routes. They need no token, and the pages of every origin may read what they respond.
pub fn router(document: Document, new_id: impl Fn() -> Uuid + Send + Sync + 'static) -> Router {
    let routes = Router::new()
        .route("/openapi.json", get(json))
        .route("/docs", get(page))
        .route_layer(from_fn(conditional))
        .with_state(Arc::new(document));
    HttpAdapter::new(PROBLEMS, Origins::Any, new_id).wrap(routes)
}

/// `GET /openapi.json`.
async fn json(State(document): State<Arc<Document>>, _: StrictQuery<NoParameters>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document.json().to_owned()).into_response()
}

/// `GET /docs`.
async fn page(State(document): State<Arc<Document>>, _: StrictQuery<NoParameters>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, document.policy()),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, document.page().to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const EXAMPLE: &str = include_str!("../../events/gateway-docs.json");

    struct Answer {
        status_code: u64,
        headers: Value,
        body: String,
    }

    async fn asked(path: &str, headers: &Value) -> Answer {
        let mut event: Value = serde_json::from_str(EXAMPLE).unwrap();
        event["path"] = json!(path);
        event["headers"] = headers.clone();
        event["multiValueHeaders"] = Value::Null;
        let routes = router(Document::of_the_platform().unwrap(), Uuid::nil);
        let Ok(answer) =
            api_gateway::lambda::respond(routes, serde_json::from_value(event).unwrap()).await;
        let answer = serde_json::to_value(answer).unwrap();
        Answer {
            status_code: answer["statusCode"].as_u64().unwrap(),
            headers: answer["multiValueHeaders"].clone(),
            body: answer["body"].as_str().unwrap_or_default().to_owned(),
        }
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
        let again =
            asked("/openapi.json", &json!({"If-None-Match": answer.headers["etag"][0]})).await;
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
        let policy = answer.headers["content-security-policy"][0].as_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"));
    }

    #[tokio::test]
    async fn there_is_nothing_else() {
        assert_eq!(asked("/docs/x", &json!({})).await.status_code, 404);
    }
}
