//! Real events of API Gateway in, responses out, against the ledger in memory.

use std::time::{Duration, Instant};

use api_gateway::issuer::Issuer;
use api_gateway::token::Expectations;
use api_gateway::verifier::{Inline, Verifier};
use axum::Router;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::provider::{Delays, Provider};
use crate::adapters::memory::MemoryLedger;

/// A charge, as the gateway passes it on.
const EXAMPLE: &str = include_str!("../../events/payment-provider.json");
const CLIENT_KEY: &str = "key-for-tests-0123456789";
const DELAYS: Delays =
    Delays { slow: Duration::from_millis(30), no_response: Duration::from_millis(60) };

struct World {
    routes: Router,
    issuer: Issuer,
}

impl World {
    fn new() -> Self {
        let issuer = Issuer::from_pkcs8(&Issuer::generate().unwrap()).unwrap();
        let expectations = Expectations {
            issuer: "https://issuer.parkade.local".to_owned(),
            audience: "parkade".to_owned(),
            roles: vec!["operator".to_owned()],
        };
        let operators = Verifier::new(Inline(issuer.jwks()), expectations);
        let ledger = MemoryLedger::default();
        let key = CLIENT_KEY.to_owned();
        let routes = Provider::new(ledger, key, operators, DELAYS, function::now).router();
        Self { routes, issuer }
    }

    fn token(&self, scope: &str, ttl_seconds: i64) -> String {
        let claims = json!({
            "iss": "https://issuer.parkade.local", "aud": "parkade", "sub": "op", "scope": scope,
            "exp": function::now().as_second() + ttl_seconds,
        });
        self.issuer.sign(&claims).unwrap()
    }

    async fn send(&self, event: &Value) -> (u16, Value) {
        let event = serde_json::from_value(event.clone()).unwrap();
        let Ok(response) = api_gateway::lambda::respond(self.routes.clone(), event).await;
        let response = serde_json::to_value(response).unwrap();
        let status = u16::try_from(response["statusCode"].as_u64().unwrap()).unwrap();
        let headers = &response["multiValueHeaders"];
        let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        let content_type = &headers["content-type"];
        if status < 400 {
            assert_eq!(content_type, &json!(["application/json"]));
        } else {
            assert_eq!(content_type, &json!(["application/problem+json"]));
            assert_eq!(body["status"], status);
        }
        assert_eq!(headers.get("retry-after").is_some(), status == 503);
        (status, body)
    }

    async fn charge(&self, key: &str, token: &str) -> (u16, Value) {
        self.send(&event("/charges", key, &charge_body("slot:booking", token))).await
    }

    async fn refund(&self, key: &str) -> (u16, Value) {
        self.send(&event("/refunds", key, &json!({ "reference": "slot:booking" }))).await
    }

    /// The kind and amount of all movements of the reference.
    async fn moved(&self) -> Vec<(String, String)> {
        let (status, body) = self.ledger("slot:booking", &self.token("operator", 60)).await;
        assert_eq!(status, 200);
        let entries = body["entries"].as_array().unwrap();
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        entries.iter().map(|it| (text(it, "kind"), text(it, "amount"))).collect()
    }

    async fn ledger(&self, reference: &str, token: &str) -> (u16, Value) {
        let mut event = example();
        event["httpMethod"] = json!("GET");
        event["path"] = json!("/ledger");
        event["body"] = Value::Null;
        event["queryStringParameters"] = json!({ "reference": reference });
        event["multiValueQueryStringParameters"] = json!({ "reference": [reference] });
        set_header(&mut event, "Authorization", &format!("Bearer {token}"));
        self.send(&event).await
    }
}

fn example() -> Value {
    serde_json::from_str(EXAMPLE).unwrap()
}

fn set_header(event: &mut Value, name: &str, value: &str) {
    event["headers"][name] = json!(value);
    event["multiValueHeaders"][name] = json!([value]);
}

fn remove_header(event: &mut Value, name: &str) {
    for headers in ["headers", "multiValueHeaders"] {
        event[headers].as_object_mut().unwrap().remove(name);
    }
}

fn charge_body(reference: &str, token: &str) -> Value {
    json!({ "reference": reference, "amount": "100.00", "currency": "USD", "token": token })
}

/// The example with another path, key and body, and with the client's key.
fn event(path: &str, key: &str, body: &Value) -> Value {
    let mut event = example();
    event["path"] = json!(path);
    event["body"] = json!(body.to_string());
    set_header(&mut event, "Authorization", &format!("Bearer {CLIENT_KEY}"));
    set_header(&mut event, "Idempotency-Key", key);
    event
}

fn slug(body: &Value) -> &str {
    body["type"].as_str().unwrap().rsplit('/').next().unwrap()
}

fn movement(kind: &str, amount: &str) -> (String, String) {
    (kind.to_owned(), amount.to_owned())
}

#[tokio::test]
async fn a_charge_is_made_once_and_listed_in_the_ledger() {
    let world = World::new();
    for _ in 0..2 {
        assert_eq!(world.charge("k", "tok_visa").await, (201, json!({ "status": "charged" })));
    }
    let (_, body) = world.ledger("slot:booking", &world.token("operator", 60)).await;
    let entry = &body["entries"][0];
    assert_eq!(entry["currency"], "USD");
    assert_eq!(entry["key"], "k");
    assert!(entry["at"].as_str().unwrap().parse::<Timestamp>().is_ok());
    assert_eq!(world.moved().await, [movement("charge", "100.00")]);
}

#[tokio::test]
async fn a_charge_is_refunded_once() {
    let world = World::new();
    world.charge("k", "tok_visa").await;
    for _ in 0..2 {
        assert_eq!(world.refund("k").await, (200, json!({ "refunded": "100.00" })));
    }
    let both = [movement("charge", "100.00"), movement("refund", "100.00")];
    assert_eq!(world.moved().await, both);
}

#[tokio::test]
async fn a_refund_without_a_charge_voids_a_charge_that_arrives_later() {
    let world = World::new();
    assert_eq!(world.refund("k").await, (200, json!({ "refunded": "0.00" })));
    let (status, body) = world.charge("k", "tok_visa").await;
    assert_eq!((status, slug(&body)), (409, "charge-voided"));
    assert_eq!(world.moved().await, []);
}

#[tokio::test]
async fn each_test_token_has_its_behaviour() {
    for (token, statuses, moved) in [
        ("tok_visa", [201, 201, 201], 1),
        ("tok_slow", [201, 201, 201], 1),
        ("tok_timeout", [503, 201, 201], 1),
        ("tok_flaky", [503, 503, 201], 1),
        ("tok_down", [503, 503, 503], 0),
        ("tok_declined", [402, 402, 402], 0),
        ("tok_insufficient_funds", [402, 402, 402], 0),
        ("<unknown>", [402, 402, 402], 0),
    ] {
        let world = World::new();
        for expected in statuses {
            assert_eq!(world.charge("k", token).await.0, expected, "{token}");
        }
        assert_eq!(world.moved().await.len(), moved, "{token}");
    }
}

#[tokio::test]
async fn the_response_for_a_declined_card_has_the_reason() {
    let world = World::new();
    for (token, reason) in
        [("tok_declined", "card_declined"), ("tok_insufficient_funds", "insufficient_funds")]
    {
        let (status, body) = world.charge(token, token).await;
        assert_eq!((status, slug(&body)), (402, "payment-declined"));
        assert_eq!(body["reason"], reason);
    }
}

#[tokio::test]
async fn a_slow_response_is_delayed() {
    let world = World::new();
    for (token, delay) in [("tok_slow", DELAYS.slow), ("tok_timeout", DELAYS.no_response)] {
        #[expect(clippy::disallowed_methods, reason = "a test of time")]
        let began = Instant::now();
        world.charge(token, token).await;
        assert!(began.elapsed() >= delay, "{token}");
    }
}

#[tokio::test]
async fn a_key_belongs_to_one_charge() {
    let world = World::new();
    world.charge("k", "tok_visa").await;
    let mut other_amount = charge_body("slot:booking", "tok_visa");
    other_amount["amount"] = json!("99.99");
    for body in [
        other_amount,
        charge_body("slot:booking", "tok_slow"),
        charge_body("slot:other", "tok_visa"),
    ] {
        let (status, problem) = world.send(&event("/charges", "k", &body)).await;
        assert_eq!((status, slug(&problem)), (422, "idempotency-key-reused"), "{body}");
    }
    let other = event("/refunds", "k", &json!({ "reference": "slot:other" }));
    assert_eq!(world.send(&other).await.0, 422);
    assert_eq!(world.moved().await, [movement("charge", "100.00")]);
}

#[tokio::test]
async fn a_malformed_request_is_a_bad_request_and_stores_nothing() {
    let world = World::new();
    let good = charge_body("slot:booking", "tok_visa");
    let changed = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let mut bodies = vec![json!(null), json!([]), json!({}), json!("text"), json!(7)];
    for amount in ["100", "100.0", "-1.00", "0.00", "1e2", "", "99999999.00", "100.00 "] {
        bodies.push(changed("amount", json!(amount)));
    }
    bodies.push(changed("amount", json!(100.00)));
    for reference in [json!(""), json!("a b"), json!("key#k"), json!("a".repeat(129)), json!(7)] {
        bodies.push(changed("reference", reference));
    }
    for currency in [json!("EUR"), json!("usd"), json!(null)] {
        bodies.push(changed("currency", currency));
    }
    for token in [json!(""), json!("tok visa"), json!("a".repeat(201)), json!({})] {
        bodies.push(changed("token", token));
    }
    bodies.push(changed("unknown", json!(1)));
    for body in bodies {
        let (status, problem) = world.send(&event("/charges", "k", &body)).await;
        assert_eq!((status, slug(&problem)), (400, "validation"), "{body}");
    }
    for text in ["", "{", "{\"reference\":\"a\",\"reference\":\"a\"}", "\u{0}"] {
        for path in ["/charges", "/refunds"] {
            let mut event = event(path, "k", &good);
            event["body"] = json!(text);
            assert_eq!(world.send(&event).await.0, 400, "{text:?}");
        }
    }
    let mut not_text = event("/charges", "k", &good);
    not_text["isBase64Encoded"] = json!(true);
    not_text["body"] = json!("//79");
    assert_eq!(world.send(&not_text).await.0, 400);
    assert_eq!(world.send(&event("/refunds", "k", &good)).await.0, 400);
    assert_eq!(world.moved().await, []);
    assert_eq!(world.charge("k", "tok_visa").await.0, 201, "the key is still free");
}

#[tokio::test]
async fn a_charge_without_a_usable_key_is_malformed() {
    let world = World::new();
    let good = charge_body("slot:booking", "tok_visa");
    for key in ["", " ", "a b", "a#b", &"k".repeat(129)] {
        let (status, problem) = world.send(&event("/charges", key, &good)).await;
        assert_eq!((status, slug(&problem)), (400, "validation"), "{key:?}");
    }
    let mut none = event("/charges", "k", &good);
    remove_header(&mut none, "Idempotency-Key");
    assert_eq!(world.send(&none).await.0, 400);
    assert_eq!(world.moved().await, []);
}

#[tokio::test]
async fn a_body_of_a_megabyte_is_too_large() {
    let world = World::new();
    let mut body = charge_body("slot:booking", "tok_visa");
    body["padding"] = json!("x".repeat(1024 * 1024));
    let (status, problem) = world.send(&event("/charges", "k", &body)).await;
    assert_eq!((status, slug(&problem)), (413, "payload-too-large"));
}

#[tokio::test]
async fn a_request_without_the_clients_key_is_unauthenticated() {
    let world = World::new();
    let good = event("/charges", "k", &charge_body("slot:booking", "tok_visa"));
    let operator = format!("Bearer {}", world.token("operator", 60));
    for shown in [
        "",
        "Bearer",
        "Bearer ",
        CLIENT_KEY,
        "Bearer key-for-tests-012345678",
        "Bearer key-for-tests-01234567890",
        "Bearer KEY-FOR-TESTS-0123456789",
        "Basic key-for-tests-0123456789",
        &operator,
    ] {
        for path in ["/charges", "/refunds"] {
            let mut event = good.clone();
            event["path"] = json!(path);
            set_header(&mut event, "Authorization", shown);
            let (status, problem) = world.send(&event).await;
            assert_eq!((status, slug(&problem)), (401, "unauthenticated"), "{shown}");
        }
    }
    let mut none = good.clone();
    remove_header(&mut none, "Authorization");
    assert_eq!(world.send(&none).await.0, 401);
    assert_eq!(world.moved().await, []);
    assert_eq!(world.send(&good).await.0, 201);
}

#[tokio::test]
async fn the_ledger_is_for_operators() {
    let world = World::new();
    let other = World::new();
    for (token, expected) in [
        (world.token("operator", 60), 200),
        (world.token("customer", 60), 403),
        (world.token("operator", -1), 401),
        (other.token("operator", 60), 401),
        (CLIENT_KEY.to_owned(), 401),
        (String::new(), 401),
    ] {
        assert_eq!(world.ledger("slot:booking", &token).await.0, expected, "{token}");
    }
}

#[tokio::test]
async fn a_ledger_request_needs_a_valid_reference_and_an_unknown_one_has_no_entries() {
    let world = World::new();
    let token = world.token("operator", 60);
    for reference in ["", "a b", "key#k"] {
        assert_eq!(world.ledger(reference, &token).await.0, 400, "{reference:?}");
    }
    assert_eq!(world.ledger("nothing", &token).await, (200, json!({ "entries": [] })));
}

#[tokio::test]
async fn an_unknown_route_is_not_found() {
    let world = World::new();
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/charges"),
        ("POST", "/ledger"),
        ("POST", "/charges/"),
        ("POST", "/v1/charges"),
        ("DELETE", "/refunds"),
    ] {
        let mut event = example();
        event["httpMethod"] = json!(method);
        event["path"] = json!(path);
        let (status, problem) = world.send(&event).await;
        assert_eq!((status, slug(&problem)), (404, "not-found"), "{method} {path}");
    }
}

#[tokio::test]
async fn the_example_has_an_unknown_key() {
    assert_eq!(World::new().send(&example()).await.0, 401);
}

#[tokio::test]
async fn a_request_with_invalid_headers_gets_a_response() {
    let world = World::new();
    let good = event("/charges", "k", &charge_body("slot:booking", "tok_visa"));
    for (name, value) in
        [("Host", "a b\u{7f}"), ("X-Anything", "\u{0}\n\u{fc}"), ("\u{fc} :", "x"), ("", "")]
    {
        let mut hostile = good.clone();
        set_header(&mut hostile, name, value);
        assert_eq!(world.send(&hostile).await.0, 201, "{name:?}: {value:?}");
    }
}

#[tokio::test]
async fn a_repeated_header_is_rejected() {
    let world = World::new();
    let mut twice = event("/charges", "k", &charge_body("slot:booking", "tok_visa"));
    twice["multiValueHeaders"]["Idempotency-Key"] = json!(["k", "l"]);
    assert_eq!(world.send(&twice).await.0, 400);
    twice["multiValueHeaders"]["Authorization"] = json!(["Bearer a", "Bearer b"]);
    assert_eq!(world.send(&twice).await.0, 401);
    assert_eq!(world.moved().await, []);
}
