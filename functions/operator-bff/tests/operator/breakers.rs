//! Circuit breakers: shown, and an operator's word carried to whose they are.

use bff::memory::{Memory, Reply};
use serde_json::{Value, json};

use crate::routes::{SAGAS, down};
use crate::support::{AT, Sent, json_of, problem};

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
async fn circuit_breakers_are_shown_and_those_out_of_reach_are_named() {
    for (is_billing_up, count, degraded) in
        [(true, 9, Value::Null), (false, 8, json!(["payment-provider"]))]
    {
        let services = Memory::new(|function, _| match function {
            "billing-breaker" if is_billing_up => Reply::Answer(provider_breaker("open")),
            _ => down(),
        });
        let sent = Sent::new("GET", "/operator/circuit-breakers", &[]);
        let answer = sent.to(&services, &SAGAS).await;
        assert_eq!(answer.status_code, 200, "{}", answer.body);
        let shown = json_of(&answer);
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
async fn an_operators_word_goes_to_whose_the_breaker_is() {
    let services = Memory::new(|_, _| Reply::Answer(provider_breaker("closed")));
    let answer = reset_breaker("payment-provider").to(&services, &SAGAS).await;
    assert_eq!(answer.status_code, 200, "{}", answer.body);
    let order = json!({"order": "reset", "breaker": "payment-provider", "by": "olga"});
    assert_eq!(services.asked(), [("billing-breaker".to_owned(), order)]);

    let nobody = Memory::new(|_, _| down());
    for (word, state) in [("open", "open"), ("closed", "closed"), ("disabled", "closed")] {
        let answer =
            set_breaker("parking-query", &json!({"override": word})).to(&nobody, &SAGAS).await;
        assert_eq!(answer.status_code, 200, "{}", answer.body);
        let shown = json_of(&answer);
        assert_eq!((&shown["state"], &shown["override"]), (&json!(state), &json!(word)));
        assert_eq!(shown["history"][0]["by"], "olga");
    }
    assert!(nobody.asked().is_empty());
    let answer = reset_breaker("parking-query").to(&nobody, &SAGAS).await;
    assert_eq!((answer.status_code, &json_of(&answer)["state"]), (200, &json!("closed")));
    let body = reset_breaker("parking-query").body(&json!({"why": "rain"}));
    assert_eq!(problem(&body.to(&nobody, &SAGAS).await), (400, "validation".to_owned()));
    for (name, body, expected) in [
        ("cars", json!({"override": "open"}), (404, "not-found")),
        ("parking-query", json!({"override": "ajar"}), (400, "validation")),
        ("parking-query", json!({}), (400, "validation")),
        ("parking-query", json!({"override": "none"}), (400, "validation")),
        ("payment-provider", json!({"override": "open"}), (503, "service-unavailable")),
    ] {
        let answer = set_breaker(name, &body).to(&nobody, &SAGAS).await;
        assert_eq!(problem(&answer), (expected.0, expected.1.to_owned()), "{name} {body}");
    }
}
