//! Circuit breakers: how they are shown, and how an operator's override reaches the owner of a breaker.

use bff::memory::{Memory, Reply};
use serde_json::{Value, json};

use crate::routes::{SAGAS, down};
use crate::support::{AT, OperatorRequest as _, Sent, json_of, problem};

/// Billing's breaker, as `billing-breaker` shows it.
pub(crate) fn provider_breaker(state: &str) -> Value {
    json!({
        "name": "payment-provider", "state": state, "failureRate": 0.6, "history": [{
            "at": AT, "from": "closed", "to": "open", "reason": "quorum", "by": "00000000000000ff",
        }],
    })
}

fn reset_breaker(name: &'static str) -> Sent {
    Sent::new("POST", "/operator/circuit-breakers/{name}/reset", &[("name", name)])
}

fn set_breaker(name: &'static str, body: &Value) -> Sent {
    Sent::new("POST", "/operator/circuit-breakers/{name}", &[("name", name)]).body(body)
}

#[tokio::test]
async fn circuit_breakers_are_shown_and_unreachable_ones_are_named() {
    for (is_billing_up, count, degraded) in
        [(true, 9, Value::Null), (false, 8, json!(["payment-provider"]))]
    {
        let services = Memory::new(move |function, _| match function {
            "billing-breaker" if is_billing_up => Reply::Response(provider_breaker("open")),
            _ => down(),
        });
        let sent = Sent::new("GET", "/operator/circuit-breakers", &[]);
        let response = sent.to(&services, &SAGAS).await;
        assert_eq!(response.status_code, 200, "{}", response.body);
        let shown = json_of(&response);
        let items = shown["items"].as_array().unwrap();
        assert_eq!((items.len(), &shown["degraded"]), (count, &degraded));
        let known = |name: &str| items.iter().find(|it| it["name"] == name);
        let expected = json!({
            "owner": "edge", "name": "booking-query", "state": "closed", "failureRate": 0.0, "history": [],
        });
        assert_eq!(known("booking-query"), Some(&expected));
        if is_billing_up {
            let provider = known("payment-provider").unwrap();
            assert_eq!(
                (&provider["owner"], &provider["state"]),
                (&json!("billing"), &json!("open"))
            );
            assert_eq!(provider["failureRate"], json!(0.6));
        }
    }
}

#[tokio::test]
async fn an_override_goes_to_the_owner_of_the_breaker() {
    let services = Memory::new(|_, _| Reply::Response(provider_breaker("closed")));
    let response = reset_breaker("payment-provider").to(&services, &SAGAS).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    let order = json!({"order": "reset", "breaker": "payment-provider", "by": "olga"});
    assert_eq!(services.calls(), [("billing-breaker".to_owned(), order)]);

    let services = Memory::new(|_, _| down());
    for (name, state) in [("open", "open"), ("closed", "closed"), ("disabled", "closed")] {
        let response =
            set_breaker("parking-query", &json!({"override": name})).to(&services, &SAGAS).await;
        assert_eq!(response.status_code, 200, "{}", response.body);
        let shown = json_of(&response);
        assert_eq!((&shown["state"], &shown["override"]), (&json!(state), &json!(name)));
        assert_eq!(shown["history"][0]["by"], "olga");
    }
    assert!(services.calls().is_empty());
    let response = reset_breaker("parking-query").to(&services, &SAGAS).await;
    assert_eq!((response.status_code, &json_of(&response)["state"]), (200, &json!("closed")));
    let body = reset_breaker("parking-query").body(&json!({"why": "rain"}));
    assert_eq!(problem(&body.to(&services, &SAGAS).await), (400, "validation".to_owned()));
    for (name, body, expected) in [
        ("cars", json!({"override": "open"}), (404, "not-found")),
        ("parking-query", json!({"override": "ajar"}), (400, "validation")),
        ("parking-query", json!({}), (400, "validation")),
        ("parking-query", json!({"override": "none"}), (400, "validation")),
        ("payment-provider", json!({"override": "open"}), (503, "service-unavailable")),
    ] {
        let response = set_breaker(name, &body).to(&services, &SAGAS).await;
        assert_eq!(problem(&response), (expected.0, expected.1.to_owned()), "{name} {body}");
    }
}
