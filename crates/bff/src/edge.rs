//! What surrounds every request, whatever it asks for.

use std::collections::BTreeMap;
use std::error::Error;

use api_gateway::proxy::{ProxyAnswer, ProxyEvent};
use serde::Serialize;
use trace_context::{Origin, TraceFields, handle as in_span};
use uuid::Uuid;

use crate::answer::Answer;
use crate::correlation;
use crate::origins::Origins;
use crate::problem::Problem;
use crate::request::Request;

/// Turns events into requests, and what becomes of them into answers.
#[derive(Clone, Debug)]
pub struct Edge {
    /// What stands before the slug in a problem's `type`.
    pub problems: &'static str,
    /// Whose pages may call.
    pub origins: Origins,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    correlation_id: &'a str,
}

impl Edge {
    /// Answers one event. `fresh` names the request if its client does not.
    ///
    /// Preflights are answered here; everything else is `handle`'s. Every answer has a correlation id, every problem is a
    /// problem document, and each one is logged once.
    pub async fn serve<F>(
        &self,
        event: ProxyEvent,
        fresh: Uuid,
        handle: impl FnOnce(Request) -> F,
    ) -> ProxyAnswer
    where
        F: Future<Output = Result<Answer, Problem>>,
    {
        self.serve_shown(event, fresh, handle, |_, _| None).await
    }

    /// Likewise, for clients of whom some are people: `show` makes a page of a problem and its correlation id, or leaves
    /// it to be a problem document.
    pub async fn serve_shown<F>(
        &self,
        event: ProxyEvent,
        fresh: Uuid,
        handle: impl FnOnce(Request) -> F,
        show: impl FnOnce(&Problem, &str) -> Option<Answer>,
    ) -> ProxyAnswer
    where
        F: Future<Output = Result<Answer, Problem>>,
    {
        let (id, correlation_id) =
            correlation::taken_over(event.header(correlation::HEADER), fresh);
        let origin = event.header("Origin").map(str::to_owned);
        let route = format!("{} {}", event.http_method, event.resource.as_deref().unwrap_or("-"));
        let received = TraceFields::read(|name| event.header(name).map(str::to_owned));
        let traced = Origin::new(&received, || id).correlated(&correlation_id);
        let answer = if event.http_method == "OPTIONS" {
            let mut answer = Answer::empty(204);
            answer.headers = self.origins.preflight(origin.as_deref());
            answer
        } else {
            match in_span("http request", traced, handle(Request::new(event, id))).await {
                Ok(answer) => answer,
                Err(problem) => {
                    log(&route, &correlation_id, &problem);
                    let shown = show(&problem, &correlation_id);
                    shown.unwrap_or_else(|| self.document(&problem, &correlation_id))
                }
            }
        };
        let mut headers = BTreeMap::from_iter(answer.headers);
        headers.extend(self.origins.headers(origin.as_deref()));
        headers.insert(correlation::HEADER, correlation_id);
        headers.insert("X-Content-Type-Options", "nosniff".to_owned());
        ProxyAnswer {
            status_code: answer.status,
            headers,
            body: answer.body,
            is_base64_encoded: false,
        }
    }

    fn document(&self, problem: &Problem, correlation_id: &str) -> Answer {
        let kind = problem.kind();
        let document = Document {
            r#type: format!("{}{}", self.problems, kind.slug()),
            title: kind.title(),
            status: kind.status(),
            detail: problem.detail(),
            correlation_id,
        };
        let answer =
            Answer::json(kind.status(), &document).with("Content-Type", "application/problem+json");
        match problem.retry_after() {
            Some(wait) => answer.with("Retry-After", wait.as_secs().to_string()),
            None => answer,
        }
    }
}

/// A client's mistake is news, a service's failure is an error. The detail may repeat what the client sent, a payment
/// token among it, so it is not logged; the failure's own words and its causes are.
fn log(route: &str, correlation_id: &str, problem: &Problem) {
    let reason = problem.kind().slug();
    if problem.kind().status() < 500 {
        tracing::info!(route, correlation_id, reason, "refused");
        return;
    }
    let failure = problem.cause();
    let kind = failure.map_or("-", |it| it.kind().error_type());
    let cause = failure.and_then(Error::source).map(ToString::to_string).unwrap_or_default();
    tracing::error!(
        route,
        correlation_id,
        reason,
        kind,
        detail = problem.detail(),
        cause,
        "failed"
    );
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::problem::ProblemKind;
    use service_error::ServiceError;

    const FRESH: Uuid = Uuid::from_u128(7);
    const GIVEN: &str = "0191f7a4-0000-7000-8000-00000000000a";

    async fn served(event: Value, becomes: Result<Answer, Problem>) -> ProxyAnswer {
        let edge = Edge {
            problems: "https://problems.example/",
            origins: Origins::from_list("https://a.example"),
        };
        let event = serde_json::from_value(event).unwrap();
        edge.serve(event, FRESH, |_| async { becomes }).await
    }

    #[tokio::test]
    async fn a_problem_is_a_problem_document() {
        let event = json!({"httpMethod": "GET", "headers": {"x-correlation-id": GIVEN}});
        let answer = served(event, Err(ServiceError::transient("not now", "secret").into())).await;
        assert_eq!(answer.status_code, 503);
        assert_eq!(answer.headers["Content-Type"], "application/problem+json");
        assert_eq!(answer.headers["Retry-After"], "1");
        assert_eq!(answer.headers["X-Correlation-Id"], GIVEN);
        assert_eq!(
            serde_json::from_str::<Value>(&answer.body).unwrap(),
            json!({
                "type": "https://problems.example/service-unavailable",
                "title": "Not available now",
                "status": 503,
                "detail": "not now",
                "correlationId": GIVEN,
            })
        );
    }

    #[tokio::test]
    async fn every_answer_has_a_correlation_id() {
        for becomes in [
            Ok(Answer::json(200, &json!({}))),
            Err(Problem::new(ProblemKind::NotFound, "there is nothing")),
        ] {
            let answer = served(json!({"httpMethod": "GET"}), becomes).await;
            assert_eq!(answer.headers["X-Correlation-Id"], FRESH.to_string());
        }
    }

    #[tokio::test]
    async fn a_preflight_is_answered_without_asking_anybody() {
        let event = json!({"httpMethod": "OPTIONS", "headers": {"origin": "https://a.example"}});
        let answer = served(event, Err(Problem::validation("not asked"))).await;
        assert_eq!(answer.status_code, 204);
        assert_eq!(answer.headers["Access-Control-Allow-Origin"], "https://a.example");
        assert_eq!(answer.headers["Access-Control-Allow-Methods"], "GET,POST");
    }

    #[tokio::test]
    async fn an_event_that_says_nothing_is_served_too() {
        let answer = served(json!({}), Err(Problem::not_found("there is no such route"))).await;
        assert_eq!(answer.status_code, 404);
    }
}
