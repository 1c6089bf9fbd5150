//! The trace and the correlation id of a request: from its headers, and on to every service that is called for it.

use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use trace_context::{Origin, TRACEPARENT, TRACESTATE, TraceFields, correlation_id};
use uuid::Uuid;

/// The member that carries the correlation id on.
const CORRELATION_ID: &str = "correlationId";

/// Where a request comes from. Without a valid trace context it starts a new trace, whose id is the correlation id.
pub(crate) fn origin(headers: &HeaderMap, correlation_id: Uuid, as_spelled: &str) -> Origin {
    Origin::new(&received(headers), || correlation_id).correlated(as_spelled)
}

/// The context of the headers. Two of `traceparent` are none, and several of `tracestate` are one list, as the
/// specification says.
fn received(headers: &HeaderMap) -> TraceFields {
    TraceFields::read(|name| {
        let values = headers.get_all(name).iter().map(|it| it.to_str().ok());
        let values: Vec<&str> = values.collect::<Option<_>>()?;
        match values[..] {
            [] => None,
            [one] => Some(one.to_owned()),
            _ => (name != TRACEPARENT).then(|| values.join(",")),
        }
    })
}

/// A request to a service as JSON, with the trace and the correlation id of the request that is being handled.
pub(crate) fn with_trace(request: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let (trace, correlation_id) = (TraceFields::current(), correlation_id());
    let ids = correlation_id.iter().map(|it| (CORRELATION_ID, it.as_str()));
    let mut request = serde_json::to_value(request)?;
    if let Value::Object(members) = &mut request {
        for (name, value) in trace.iter().chain(ids) {
            members.insert(name.to_owned(), Value::String(value.to_owned()));
        }
    }
    serde_json::to_vec(&request)
}

/// A request to a service as it was before [`with_trace`].
pub(crate) fn without_trace(mut request: Value) -> Value {
    if let Value::Object(members) = &mut request {
        members
            .retain(|name, _| ![TRACEPARENT, TRACESTATE, CORRELATION_ID].contains(&name.as_str()));
    }
    request
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use serde_json::json;
    use trace_context::handle;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const ID: Uuid = Uuid::from_u128(7 << 64 | 9);

    async fn sent(headers: &[(&'static str, &str)], request: Value) -> Value {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let origin = origin(&headers, ID, &ID.to_string());
        let sent = handle("test", origin, async { with_trace(&request).unwrap() }).await;
        serde_json::from_slice(&sent).unwrap()
    }

    #[tokio::test]
    async fn a_service_receives_the_trace_and_the_correlation_id_of_the_request() {
        let headers = [("traceparent", GOOD), ("tracestate", "a=1")];
        assert_eq!(
            sent(&headers, json!({"a": 1})).await,
            json!({"a": 1, "traceparent": GOOD, "tracestate": "a=1", "correlationId": ID})
        );
        assert_eq!(without_trace(sent(&headers, json!({"a": 1})).await), json!({"a": 1}));
        assert_eq!(sent(&headers, json!(1)).await, json!(1), "what has no members carries nothing");
        assert_eq!(with_trace(&json!({"a": 1})).unwrap(), br#"{"a":1}"#, "outside of a request");
    }

    #[tokio::test]
    async fn without_a_valid_context_a_request_starts_a_new_trace() {
        let new = format!("00-{}-0000000000000009-00", ID.simple());
        let upper = GOOD.to_uppercase();
        for headers in
            [&[][..], &[("traceparent", "x")], &[("traceparent", &upper), ("tracestate", "a=1")]]
        {
            assert_eq!(
                sent(headers, json!({})).await,
                json!({"traceparent": new, "correlationId": ID})
            );
        }
    }

    #[test]
    fn several_states_are_one_list_and_several_parents_are_none() {
        let mut headers = HeaderMap::new();
        for state in ["a=1", "b=2"] {
            headers.append("tracestate", state.parse().unwrap());
        }
        assert_eq!(received(&headers).tracestate.as_deref(), Some("a=1,b=2"));
        for _ in 0..2 {
            headers.append("traceparent", GOOD.parse().unwrap());
        }
        assert_eq!(received(&headers).traceparent, None);
    }
}
