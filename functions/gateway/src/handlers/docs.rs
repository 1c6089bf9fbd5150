//! `gateway-docs`: the OpenAPI document, as JSON and as a page; and the pages for addresses that no other route takes.

use std::sync::Arc;

use api_gateway::lambda::RequestContext;
use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bff::web::{Accept, HttpAdapter, NoParameters, StrictQuery, conditional};
use bff::{Origins, Problem};
use uuid::Uuid;

use crate::document::Document;

/// Where the slugs of problems are explained.
const PROBLEMS: &str = "https://parkade.dev/problems/";

/// The routes. They need no token, and pages of every origin may read the responses.
///
/// The gateway also sends requests here that no other route takes: a browser gets a page, a program a problem document.
pub fn router(document: Document, new_id: impl Fn() -> Uuid + Send + Sync + 'static) -> Router {
    let document = Arc::new(document);
    let routes = Router::new()
        .route("/openapi.json", get(json))
        .route("/docs", get(page))
        .route("/", get(start_page))
        .route_layer(from_fn(conditional))
        .with_state(Arc::clone(&document));
    HttpAdapter::new(PROBLEMS, Origins::Any, new_id)
        .with_problem_page(move |problem, id, request| {
            let status = StatusCode::from_u16(problem.kind().status()).ok()?;
            let page = || document.problem_page(&root(request), problem, id);
            wants_page(request).then(|| html(&document, status, page()))
        })
        .wrap(routes)
}

/// `GET /openapi.json`.
async fn json(State(document): State<Arc<Document>>, _: StrictQuery<NoParameters>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document.json().to_owned()).into_response()
}

/// `GET /docs`.
async fn page(
    State(document): State<Arc<Document>>,
    _: StrictQuery<NoParameters>,
    request: Request,
) -> Response {
    html(&document, StatusCode::OK, document.page(&root(&request)))
}

/// `GET /`: a browser gets links to all pages; for a program this is no route.
async fn start_page(
    State(document): State<Arc<Document>>,
    _: StrictQuery<NoParameters>,
    request: Request,
) -> Result<Response, Problem> {
    if !wants_page(&request) {
        return Err(Problem::not_found("there is no such route"));
    }
    Ok(html(&document, StatusCode::OK, document.start_page(&root(&request))))
}

fn html(document: &Document, status: StatusCode, page: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, document.policy()),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (status, headers, page).into_response()
}

fn wants_page<B>(request: &Request<B>) -> bool {
    Accept::from(request.headers()).names("text/html")
}

/// The relative link from the requested page to the API's own address.
fn root<B>(request: &Request<B>) -> String {
    // With the slash at its end, if it was requested with one.
    let requested = request.extensions().get::<OriginalUri>().map_or(request.uri(), |it| &it.0);
    let path = requested.path();
    let address = match request.extensions().get() {
        Some(RequestContext::ApiGatewayV1(context)) => context.path.as_deref(),
        _ => None,
    };
    match (path.matches('/').count(), address.and_then(|it| it.rsplit_once('/'))) {
        // The stage without a slash at its end: a link relative to it must name the stage.
        (0 | 1, Some((_, stage))) if path.trim_matches('/').is_empty() && !stage.is_empty() => {
            format!("{stage}/")
        }
        (0 | 1, _) => "./".to_owned(),
        (depth, _) => "../".repeat(depth - 1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const EXAMPLE: &str = include_str!("../../events/gateway-docs.json");

    struct Response {
        status_code: u64,
        headers: Value,
        body: String,
    }

    async fn get(path: &str, headers: &Value) -> Response {
        let mut event: Value = serde_json::from_str(EXAMPLE).unwrap();
        event["path"] = json!(path);
        sent(event, headers).await
    }

    async fn sent(mut event: Value, headers: &Value) -> Response {
        event["headers"] = headers.clone();
        event["multiValueHeaders"] = Value::Null;
        let routes = router(Document::of_the_platform().unwrap(), Uuid::nil);
        let Ok(response) =
            api_gateway::lambda::respond(routes, serde_json::from_value(event).unwrap()).await;
        let response = serde_json::to_value(response).unwrap();
        Response {
            status_code: response["statusCode"].as_u64().unwrap(),
            headers: response["multiValueHeaders"].clone(),
            body: response["body"].as_str().unwrap_or_default().to_owned(),
        }
    }

    #[tokio::test]
    async fn a_program_gets_every_route_and_nothing_of_how_it_is_run() {
        let response = get("/openapi.json", &json!({})).await;
        assert_eq!(response.status_code, 200);
        let document: Value = serde_json::from_str(&response.body).unwrap();
        let source = include_str!("../../../../contracts/openapi.yaml");
        let source: Value = serde_yaml_ng::from_str(source).unwrap();
        let paths =
            |it: &Value| it["paths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let is_route = |path: &String| path != "/" && !path.contains("{proxy+}");
        assert_eq!(
            paths(&document),
            paths(&source).into_iter().filter(is_route).collect::<Vec<_>>()
        );
        assert!(!response.body.contains("x-amazon") && !response.body.contains("arn:"));
        let again =
            get("/openapi.json", &json!({"If-None-Match": response.headers["etag"][0]})).await;
        assert_eq!((again.status_code, again.body.as_str()), (304, ""));
    }

    #[tokio::test]
    async fn a_person_gets_a_page_with_every_route_on_it_and_nothing_from_elsewhere() {
        let response = get("/docs", &json!({})).await;
        assert_eq!(response.status_code, 200);
        let document = Document::of_the_platform().unwrap();
        let document: Value = serde_json::from_str(document.json()).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                assert!(response.body.contains(path), "{path}");
                let id = operation["operationId"].as_str().unwrap();
                assert!(response.body.contains(&format!("id=\"{id}\"")), "{id}");
            }
        }
        for schema in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(response.body.contains(&format!("id=\"schema-{schema}\"")), "{schema}");
        }
        assert!(!response.body.contains("<script") && !response.body.contains("src="));
        let policy = response.headers["content-security-policy"][0].as_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"));
    }

    const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

    #[tokio::test]
    async fn where_there_is_no_route_a_browser_gets_a_page_and_a_program_a_problem_document() {
        for resource in ["/docs/x", "/nope", "/"] {
            let response = get(resource, &json!({"Accept": "application/json"})).await;
            assert_eq!(response.status_code, 404);
            assert_eq!(response.headers["content-type"][0], "application/problem+json");
        }
        let response = get("/nope", &json!({"Accept": HTML})).await;
        assert_eq!(response.status_code, 404);
        assert_eq!(response.headers["content-type"][0], "text/html; charset=utf-8");
        assert!(response.body.contains("Page not found") && response.body.contains("./web/"));
    }

    #[tokio::test]
    async fn a_browser_at_the_apis_own_address_is_shown_where_to_go() {
        let response = get("/", &json!({"Accept": HTML})).await;
        assert_eq!(response.status_code, 200, "{}", response.body);
        for link in ["web/\"", "operator/\"", "docs\""] {
            assert!(response.body.contains(link), "{link}");
        }
    }

    #[tokio::test]
    async fn the_document_as_a_page_links_to_the_pages_of_customers_and_of_operators() {
        let response = get("/docs", &json!({})).await;
        for link in ["href=\"./web/\"", "href=\"./operator/\""] {
            assert!(response.body.contains(link), "{link}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_not_accepted_is_a_page_in_a_browser_and_a_problem_document_elsewhere()
     {
        for path in ["/docs", "/", "/openapi.json"] {
            let mut event: Value = serde_json::from_str(EXAMPLE).unwrap();
            event["path"] = json!(path);
            event["queryStringParameters"] = json!({"x": "1"});
            event["multiValueQueryStringParameters"] = json!({"x": ["1"]});
            let response = sent(event.clone(), &json!({"Accept": HTML})).await;
            assert_eq!(response.status_code, 400, "{path}");
            assert_eq!(response.headers["content-type"][0], "text/html; charset=utf-8");
            assert!(response.body.contains("Bad link"), "{}", response.body);
            assert!(response.body.contains("docs\">API documentation</a>"), "{}", response.body);
            let response = sent(event, &json!({"Accept": "application/json"})).await;
            assert_eq!(response.status_code, 400, "{path}");
            assert_eq!(response.headers["content-type"][0], "application/problem+json");
        }
    }

    #[tokio::test]
    async fn every_page_links_the_others_and_marks_itself() {
        let start = ["href=\"v1/\"", "href=\"v1/docs\""];
        let docs = ["href=\"./\"", "href=\"./docs\""];
        for (path, address, links, current) in
            [("/", "/v1", start, 0), ("/docs", "/v1/docs", docs, 1)]
        {
            let mut event: Value = serde_json::from_str(EXAMPLE).unwrap();
            event["path"] = json!(path);
            event["requestContext"]["path"] = json!(address);
            let body = sent(event, &json!({"Accept": HTML})).await.body;
            let nav = body.split("</nav>").next().unwrap().split("<nav").nth(1).unwrap();
            assert_eq!(nav.matches("<a ").count(), 4, "{nav}");
            assert_eq!(nav.matches("aria-current").count(), 1, "{nav}");
            for (number, link) in links.iter().enumerate() {
                let mark = if number == current { " aria-current=\"page\">" } else { ">" };
                assert!(nav.contains(&format!("{link}{mark}")), "{link}: {nav}");
            }
        }
    }

    #[tokio::test]
    async fn links_lead_from_any_depth_to_the_apis_own_address() {
        for (path, address, link) in [
            ("/", "/v1", "href=\"v1/docs\""),
            ("/", "/v1/", "href=\"./docs\""),
            ("/nope", "/v1/nope", "href=\"./docs\""),
            ("/a/b/c", "/v1/a/b/c", "href=\"../../docs\""),
            ("/docs/", "/v1/docs/", "href=\"../openapi.json\""),
        ] {
            let mut event: Value = serde_json::from_str(EXAMPLE).unwrap();
            event["path"] = json!(path);
            event["requestContext"]["path"] = json!(address);
            let body = sent(event, &json!({"Accept": HTML})).await.body;
            assert!(body.contains(link), "{address}: {body}");
        }
    }
}
