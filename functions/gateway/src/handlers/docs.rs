//! `gateway-docs`: the document of all routes, as it is and as a page.

use api_gateway::proxy::{ProxyAnswer, ProxyEvent};
use bff::{Answer, Edge, Origins, Problem, ProblemKind, Request};
use uuid::Uuid;

use crate::document::Document;

/// Where the slugs of problems are explained.
const PROBLEMS: &str = "https://parkade.dev/problems/";

/// Answers one event of the gateway, whatever it holds. Everybody may read the document, from any origin.
///
/// The gateway also sends here what no route takes: a browser gets a page, a program a problem document.
pub async fn handle(document: &Document, event: ProxyEvent, fresh: Uuid) -> ProxyAnswer {
    let edge = Edge { problems: PROBLEMS, origins: Origins::Any };
    let wants_page = Request::from(event.clone()).accepts("text/html");
    let root = root(&event);
    let show = |problem: &Problem, id: &str| {
        let is_page = wants_page && problem.kind() == ProblemKind::NotFound;
        is_page.then(|| page(document, document.not_found(&root, id), 404))
    };
    let answer = async |request| answer(document, &root, &request);
    edge.serve_shown(event, fresh, answer, show).await
}

fn answer(document: &Document, root: &str, request: &Request) -> Result<Answer, Problem> {
    let answer = match request.route() {
        ("GET", "/openapi.json") => Answer::text("application/json", document.json()),
        ("GET", "/docs") => page(document, document.page(), 200),
        ("GET", "/") if request.accepts("text/html") => {
            page(document, document.start_page(root), 200)
        }
        _ => return Err(Problem::not_found("there is no such route")),
    };
    request.query(&[])?;
    Ok(answer.unless_known(request))
}

fn page(document: &Document, page: impl Into<String>, status: u16) -> Answer {
    Answer::html(status, page)
        .with("Content-Security-Policy", document.policy())
        .with("Referrer-Policy", "no-referrer")
        .with("X-Frame-Options", "DENY")
}

/// The way from the page that was asked for to the API's own address.
fn root(event: &ProxyEvent) -> String {
    let depth = event.path.matches('/').count();
    let stage = event.request_context.as_ref().and_then(|it| it.path.as_deref());
    match (depth, stage.and_then(|it| it.rsplit_once('/'))) {
        // The stage without a slash lies beside the folder that it stands for.
        (0 | 1, Some((_, stage)))
            if event.path.trim_matches('/').is_empty() && !stage.is_empty() =>
        {
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
        let is_route = |path: &String| path != "/" && !path.contains("{proxy+}");
        assert_eq!(
            paths(&document),
            paths(&source).into_iter().filter(is_route).collect::<Vec<_>>()
        );
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

    const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

    #[tokio::test]
    async fn where_there_is_no_route_a_browser_gets_a_page_and_a_program_a_problem_document() {
        for resource in ["/docs/x", "/{proxy+}", "/"] {
            let answer = asked(resource, &json!({"Accept": "application/json"})).await;
            assert_eq!(answer.status_code, 404);
            assert_eq!(answer.headers["Content-Type"], "application/problem+json");
        }
        let answer = asked("/{proxy+}", &json!({"Accept": HTML})).await;
        assert_eq!(answer.status_code, 404);
        assert_eq!(answer.headers["Content-Type"], "text/html; charset=utf-8");
        assert!(answer.body.contains("Page not found") && answer.body.contains("./web/"));
    }

    #[tokio::test]
    async fn a_browser_at_the_apis_own_address_is_shown_where_to_go() {
        let answer = asked("/", &json!({"Accept": HTML})).await;
        assert_eq!(answer.status_code, 200, "{}", answer.body);
        for link in ["web/\"", "operator/\"", "docs\""] {
            assert!(answer.body.contains(link), "{link}");
        }
    }

    #[tokio::test]
    async fn the_document_as_a_page_links_to_the_pages_of_customers_and_of_operators() {
        let answer = asked("/docs", &json!({})).await;
        for link in ["href=\"web/\"", "href=\"operator/\""] {
            assert!(answer.body.contains(link), "{link}");
        }
    }

    #[test]
    fn links_lead_from_any_depth_to_the_apis_own_address() {
        for (path, address, expected) in [
            ("/", "/v1", "v1/"),
            ("/", "/v1/", "./"),
            ("/nope", "/v1/nope", "./"),
            ("/a/b/c", "/v1/a/b/c", "../../"),
        ] {
            let event =
                json!({"httpMethod": "GET", "path": path, "requestContext": {"path": address}});
            assert_eq!(root(&serde_json::from_value(event).unwrap()), expected, "{address}");
        }
    }
}
