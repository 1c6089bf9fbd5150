//! Serves an HTTP service, such as an axum `Router`, behind a REST API of API Gateway, by `lambda_http`.
//!
//! `lambda_http` expects well-formed events. It panics on a `Host` header that is no host and on a body that is not the
//! base64 it claims to be; it rejects an event with a header that is not HTTP; of a header that was sent twice it keeps
//! the last value; and it puts the stage in front of the path. A client could cause the first three, and the last two
//! change what a service sees. So every event is read leniently here, and handed on in a form without these problems.

use std::collections::HashMap;
use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use lambda_http::aws_lambda_events::apigw::{
    ApiGatewayProxyRequest, ApiGatewayProxyRequestContext,
};
use lambda_http::request::LambdaRequest;
pub use lambda_http::request::RequestContext;
use lambda_http::{Adapter, Context, Error, IntoResponse, LambdaEvent, Request, service_fn};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;
use tower::{Service, ServiceExt as _};

use crate::proxy::{ProxyContext, ProxyEvent};

/// API Gateway accepts 10,240 bytes for the request line and all headers together.
const MAX_URI_BYTES: usize = 10_240;
/// A path that no service routes: it stands in for one that cannot be routed as it is.
const NO_ROUTE: &str = "/%00";
/// What a path may not contain as it is. The percent sign stays: the path may be encoded already.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Polls Lambda for events of a REST API and responds to each with the service, until the environment ends.
///
/// The service receives the context of API Gateway, with that of the authorizer, as the extension [`RequestContext`].
///
/// # Errors
///
/// Fails when Lambda's runtime API cannot be reached.
pub async fn serve<S, B>(service: S) -> Result<(), Error>
where
    S: Service<Request, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    Response<B>: IntoResponse,
    B: Send + 'static,
{
    lambda_http::lambda_runtime::run(service_fn(move |event: LambdaEvent<ProxyEvent>| {
        respond_in(event.context, service.clone(), event.payload)
    }))
    .await
}

/// Responds to one event as [`serve`] does, in this process: for tests and simulations.
///
/// The result is what API Gateway receives: `statusCode`, `multiValueHeaders` with names in lower case, `body`.
///
/// # Errors
///
/// None; the service cannot fail.
pub async fn respond<S, B>(service: S, event: ProxyEvent) -> Result<impl Serialize, Infallible>
where
    S: Service<Request, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
    Response<B>: IntoResponse,
    B: Send + 'static,
{
    respond_in(Context::default(), service, event).await
}

async fn respond_in<S, B>(
    context: Context,
    service: S,
    event: ProxyEvent,
) -> Result<impl Serialize, Infallible>
where
    S: Service<Request, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
    Response<B>: IntoResponse,
    B: Send + 'static,
{
    let (request, domain_name) = well_formed(event);
    let service = service
        .map_request(move |mut request: Request| {
            if let Some(RequestContext::ApiGatewayV1(context)) = request.extensions_mut().get_mut()
            {
                context.domain_name = domain_name.clone();
            }
            request
        })
        // The gateway may compress the body, and counts its bytes itself.
        .map_response(|mut response: Response<B>| {
            response.headers_mut().remove(header::CONTENT_LENGTH);
            response
        });
    let payload = LambdaRequest::ApiGatewayV1(request);
    Adapter::from(service).oneshot(LambdaEvent { payload, context }).await
}

/// The event as `lambda_http` takes it, and the host that it must not make a URI of.
fn well_formed(event: ProxyEvent) -> (ApiGatewayProxyRequest, Option<String>) {
    let headers = headers_of(&event);
    let query = query_of(&event);
    let query_bytes: usize =
        query.iter().flat_map(|(name, all)| all.iter().map(|it| name.len() + it.len())).sum();
    let ProxyEvent { http_method, path, request_context, mut body, is_base64_encoded, .. } = event;
    let (context, domain_name) = context_of(request_context.unwrap_or_default());

    let mut request = ApiGatewayProxyRequest::default();
    request.http_method = method_of(&http_method);
    let is_routable = path.len() + query_bytes <= MAX_URI_BYTES;
    request.path = Some(if is_routable { path_of(&path) } else { NO_ROUTE.to_owned() });
    if is_routable {
        request.multi_value_query_string_parameters = query.into();
    }
    request.multi_value_headers = headers;
    request.request_context = context;
    // A body that is not the base64 it claims to be is handed on as it is: no service can read it either.
    let decodes = |it: &String| STANDARD.decode(it).is_ok();
    request.is_base64_encoded = is_base64_encoded && body.as_ref().is_some_and(decodes);
    request.body = body.take();
    (request, domain_name)
}

fn method_of(text: &str) -> Method {
    // No service routes this one.
    Method::from_bytes(text.as_bytes())
        .or_else(|_invalid| Method::from_bytes(b"INVALID"))
        .unwrap_or_default()
}

fn path_of(path: &str) -> String {
    // These name another path than the one that the gateway has matched.
    let is_relative = |segment: &str| {
        matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
    };
    if path.split(['/', '\\']).any(is_relative) {
        return NO_ROUTE.to_owned();
    }
    let path = utf8_percent_encode(path, RESERVED).to_string();
    if path.starts_with('/') { path } else { format!("/{path}") }
}

/// Every value of each header that is HTTP. One that is not cannot be meant for a service.
fn headers_of(event: &ProxyEvent) -> HeaderMap {
    let all = || event.multi_value_headers.iter().flatten();
    let is_known = |name: &str| all().any(|(it, _)| it.eq_ignore_ascii_case(name));
    let single = event.headers.iter().flatten().filter(|(name, _)| !is_known(name));
    let multiple = all().flat_map(|(name, values)| values.iter().map(move |it| (name, it)));
    let mut headers = HeaderMap::new();
    for (name, value) in multiple.chain(single) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes()))
            // Fails beyond 32,768 headers, which no gateway takes.
            && headers.try_append(name, value).is_err()
        {
            break;
        }
    }
    headers
}

/// Every value of each parameter, decoded, as the gateway hands them over.
fn query_of(event: &ProxyEvent) -> HashMap<String, Vec<String>> {
    let mut all: HashMap<String, Vec<String>> = HashMap::new();
    for (name, value) in event.query() {
        all.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    all
}

/// Without the stage, which is no part of a route.
fn context_of(context: ProxyContext) -> (ApiGatewayProxyRequestContext, Option<String>) {
    let ProxyContext { authorizer, domain_name, path, request_time_epoch } = context;
    let mut known = ApiGatewayProxyRequestContext::default();
    known.authorizer.fields = authorizer.into_iter().flatten().collect::<HashMap<String, Value>>();
    known.path = path;
    known.request_time_epoch = request_time_epoch.unwrap_or_default();
    (known, domain_name)
}

#[cfg(test)]
mod tests {
    use lambda_http::RequestExt as _;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A service that responds with what it sees of the request.
    async fn seen(event: Value) -> Value {
        let service = tower::service_fn(async |request: Request| {
            let all = |name: &str| {
                let values = request.headers().get_all(name).into_iter();
                values.map(|it| String::from_utf8_lossy(it.as_bytes())).collect::<Vec<_>>()
            };
            let context = match request.request_context_ref() {
                Some(RequestContext::ApiGatewayV1(context)) => json!({
                    "sub": context.authorizer.fields.get("sub"), "domain": context.domain_name,
                    "path": context.path, "at": context.request_time_epoch,
                }),
                _ => Value::Null,
            };
            let reported = json!({
                "method": request.method().as_str(), "uri": request.uri().to_string(),
                "host": all("host"), "x": all("x-one"), "context": context,
                "body": String::from_utf8_lossy(request.body()),
            });
            let response = Response::builder()
                .header("content-type", "application/json")
                .header("content-length", "7")
                .body(lambda_http::Body::from(reported.to_string()));
            Ok::<_, Infallible>(response.expect("a response"))
        });
        let event = serde_json::from_value(event).expect("every member is optional");
        let Ok(response) = respond(service, event).await;
        let response = serde_json::to_value(response).expect("JSON");
        assert_eq!(response["statusCode"], 200);
        assert_eq!(response["multiValueHeaders"], json!({"content-type": ["application/json"]}));
        serde_json::from_str(response["body"].as_str().expect("a body")).expect("JSON")
    }

    #[tokio::test]
    async fn a_service_sees_the_request_as_it_was_sent_to_the_gateway() {
        let reported = seen(json!({
            "httpMethod": "POST", "path": "/books/a%3Ab c", "resource": "/books/{bookId}",
            "headers": {"Host": "api.example", "X-One": "2"},
            "multiValueHeaders": {"Host": ["api.example"], "X-One": ["1", "2"]},
            "queryStringParameters": {"a": "c d"},
            "multiValueQueryStringParameters": {"a": ["b&", "c d"]},
            "requestContext": {
                "authorizer": {"sub": "ada"}, "domainName": "api.example", "path": "/v1/books/a", "stage": "v1",
                "requestTimeEpoch": 7,
            },
            "body": "dGV4dA==", "isBase64Encoded": true,
        }))
        .await;
        assert_eq!(
            reported,
            json!({
                "method": "POST", "uri": "/books/a%3Ab%20c?a=b%26&a=c+d", "host": ["api.example"], "x": ["1", "2"],
                "context": {"sub": "ada", "domain": "api.example", "path": "/v1/books/a", "at": 7},
                "body": "text",
            })
        );
    }

    #[tokio::test]
    async fn headers_that_come_in_one_form_only_are_seen_too() {
        let reported =
            seen(json!({"headers": {"x-one": "1"}, "queryStringParameters": {"a": "1"}})).await;
        assert_eq!((&reported["x"], &reported["uri"]), (&json!(["1"]), &json!("/?a=1")));
        let reported =
            seen(json!({"headers": {"x-one": "1"}, "multiValueHeaders": {"host": ["h"]}})).await;
        assert_eq!((&reported["x"], &reported["host"]), (&json!(["1"]), &json!(["h"])));
    }

    /// Each of these makes `lambda_http` panic or reject the event, or changes its route, when it gets it as it is.
    #[tokio::test]
    async fn a_malformed_event_reaches_the_service() {
        for (name, value) in [
            ("Host", "a b\u{7f}"),
            ("Host", "https://["),
            ("X-Forwarded-Proto", "\u{0}"),
            ("X-Forwarded-Proto", "not a scheme"),
            ("X-Any", "\u{0}\n\u{fc}"),
            ("\u{fc} :", "x"),
            ("", ""),
        ] {
            let reported = seen(json!({"path": "/a", "headers": {name: value}})).await;
            assert_eq!(reported["uri"], "/a", "{name}: {value}");
            let reported = seen(json!({"path": "/a", "multiValueHeaders": {name: [value]}})).await;
            assert_eq!(reported["uri"], "/a", "{name}: {value}");
        }
        for (path, uri) in [
            ("", "/"),
            ("a", "/a"),
            ("@evil.example/a", "/@evil.example/a"),
            (":1/a", "/:1/a"),
            ("/a?b#c", "/a%3Fb%23c"),
            ("/a/../b", NO_ROUTE),
            ("/a/%2E./b", NO_ROUTE),
            ("/a\\..\\b", NO_ROUTE),
            ("/ü{x}|[", "/%C3%BC%7Bx%7D%7C%5B"),
            (&"/a".repeat(100_000), NO_ROUTE),
        ] {
            let reported =
                seen(json!({"path": path, "requestContext": {"domainName": "[", "stage": "v1"}}))
                    .await;
            assert_eq!(reported["uri"], uri, "{path}");
        }
        let long =
            seen(json!({"path": "/a", "queryStringParameters": {"a": "x".repeat(100_000)}})).await;
        assert_eq!(long["uri"], NO_ROUTE);
        assert_eq!(seen(json!({"httpMethod": "a b"})).await["method"], "INVALID");
        let unreadable = seen(json!({"body": "%%%", "isBase64Encoded": true})).await;
        assert_eq!(unreadable["body"], "%%%");
        for context in [json!(null), json!({}), json!({"authorizer": null, "identity": 7})] {
            assert_eq!(
                seen(json!({"requestContext": context})).await["context"]["sub"],
                json!(null)
            );
        }
    }

    proptest! {
        #[test]
        fn no_event_makes_it_panic(
            method in ".{0,9}", path in ".{0,40}", name in ".{0,20}", value in ".{0,40}", body in ".{0,40}",
            encoded: bool,
        ) {
            let event = json!({
                "httpMethod": method, "path": path, "multiValueHeaders": {&name: [&value], "host": [&value]},
                "headers": {&name: &value}, "queryStringParameters": {&name: &value},
                "requestContext": {"domainName": value, "stage": name}, "body": body, "isBase64Encoded": encoded,
            });
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            prop_assert!(runtime.block_on(seen(event))["uri"].is_string());
        }
    }
}
