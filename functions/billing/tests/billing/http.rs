//! The provider's HTTP client, against a server with canned responses.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use billing::adapters::http::HttpProvider;
use billing::domain::ChargeOutcome;
use billing::ports::{Charge, Provider, ProviderError};
use contracts::id::PaymentId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::world::{reference, usd};

/// Returns the next response to each request, and no response when there is none left.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn responding(responses: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&requests);
        let mut responses: Vec<String> = responses
            .iter()
            .rev()
            .map(|(status, body)| {
                let length = body.len();
                format!("HTTP/1.1 {status} X\r\nconnection: close\r\nlocation: /elsewhere\r\ncontent-length: {length}\r\n\r\n{body}")
            })
            .collect();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                seen.lock().expect("no test panics here").push(request);
                match responses.pop() {
                    Some(response) => {
                        drop(stream.write_all(response.as_bytes()).await);
                    }
                    None => std::future::pending().await,
                }
            }
        });
        Self { url: format!("http://127.0.0.1:{port}/v1/"), requests }
    }

    fn provider(&self) -> HttpProvider {
        let key = "key-for-tests".to_owned();
        HttpProvider::new(&self.url, key, Duration::from_millis(200)).expect("TLS can be set up")
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no test panics here").clone()
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    loop {
        let length = stream.read(&mut buffer).await.unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        let body = text.split_once("\r\n\r\n").map(|(head, body)| {
            let header = head.lines().find_map(|it| it.strip_prefix("content-length: "));
            header.and_then(|it| it.parse().ok()).unwrap_or(0) <= body.len()
        });
        if length == 0 || body == Some(true) {
            return text;
        }
    }
}

fn charge() -> Charge {
    Charge {
        reference: reference(),
        key: PaymentId(Uuid::from_u128(7)),
        amount: usd("100.00"),
        token: "tok_visa".to_owned(),
    }
}

async fn charged(status: u16, body: &str) -> Result<ChargeOutcome, ProviderError> {
    let server = Server::responding(&[(status, body)]).await;
    server.provider().charge((), &charge()).await
}

#[tokio::test]
async fn a_charge_sends_its_idempotency_key_and_the_api_key() {
    let server = Server::responding(&[(201, r#"{"status":"charged"}"#)]).await;
    assert_eq!(server.provider().charge((), &charge()).await.unwrap(), ChargeOutcome::Captured);
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/charges HTTP/1.1"), "{head}");
    assert!(head.contains("\r\nidempotency-key: 00000000-0000-0000-0000-000000000007"), "{head}");
    assert!(head.contains("\r\nauthorization: Bearer key-for-tests"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "reference": reference().to_string(), "amount": "100.00", "currency": "USD", "token": "tok_visa",
        })
    );
}

#[tokio::test]
async fn a_charge_is_declined_or_voided_only_if_the_provider_says_so() {
    let declined = |reason: &str| ChargeOutcome::Declined { reason: reason.to_owned() };
    let body = r#"{"type":"/problems/payment-declined","reason":"card_declined"}"#;
    assert_eq!(charged(402, body).await.unwrap(), declined("card_declined"));
    let body = r#"{"type":"https://x/problems/charge-voided"}"#;
    assert_eq!(charged(409, body).await.unwrap(), ChargeOutcome::Voided);
    let body = r#"{"type":"/problems/validation"}"#;
    assert_eq!(charged(400, body).await.unwrap(), declined("invalid_request"));
    let long = format!(r#"{{"type":"/problems/payment-declined","reason":"{}"}}"#, "x".repeat(999));
    assert_eq!(charged(402, &long).await.unwrap(), declined(&"x".repeat(100)));
}

#[tokio::test]
async fn after_any_other_response_the_outcome_is_unknown() {
    for (status, body) in [
        (200, r#"{"status":"charged"}"#),
        (307, ""),
        (402, "payment required"),
        (409, r#"{"type":"/problems/conflict"}"#),
        (408, ""),
        (429, ""),
        (500, ""),
        (502, "<html>"),
        (503, r#"{"type":"/problems/service-unavailable"}"#),
        (504, ""),
    ] {
        let result = charged(status, body).await;
        let unknown = matches!(
            result,
            Err(ProviderError::NoResponse(_)) | Err(ProviderError::InvalidRequest(_))
        );
        assert!(unknown, "{status}: {result:?}");
    }
    for status in [400, 401, 403, 404, 422] {
        let result = charged(status, r#"{"message":"Missing Authentication Token"}"#).await;
        assert!(matches!(result, Err(ProviderError::InvalidRequest(_))), "{status}: {result:?}");
    }
}

#[tokio::test]
async fn without_a_response_or_a_connection_the_outcome_is_unknown() {
    let server = Server::responding(&[]).await;
    let provider = server.provider();
    let result = tokio::time::timeout(Duration::from_secs(5), provider.charge((), &charge())).await;
    let result = result.expect("the client has its own timeout");
    assert!(matches!(result, Err(ProviderError::NoResponse(_))), "{result:?}");

    let unreachable =
        HttpProvider::new("http://127.0.0.1:1", String::new(), Duration::from_secs(1));
    let result = unreachable.unwrap().refund(reference(), PaymentId(Uuid::from_u128(7))).await;
    assert!(matches!(result, Err(ProviderError::NoResponse(_))), "{result:?}");
}

#[tokio::test]
async fn a_refund_returns_the_refunded_amount() {
    let key = PaymentId(Uuid::from_u128(7));
    let server =
        Server::responding(&[(200, r#"{"refunded":"100.00"}"#), (200, "{}"), (503, "")]).await;
    let provider = server.provider();
    assert_eq!(provider.refund(reference(), key).await.unwrap(), usd("100.00"));
    assert!(provider.refund(reference(), key).await.is_err());
    assert!(provider.refund(reference(), key).await.is_err());
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /v1/refunds HTTP/1.1"), "{request}");
    assert!(request.contains("\r\nidempotency-key: 00000000-0000-0000-0000-000000000007"));
    assert!(request.ends_with(&format!(r#"{{"reference":"{}"}}"#, reference())), "{request}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::responding(&[(307, ""), (201, "{}")]).await;
    assert!(server.provider().charge((), &charge()).await.is_err());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn warming_up_accepts_any_response() {
    let server = Server::responding(&[(403, "")]).await;
    server.provider().warm_up().await.unwrap();
    assert!(server.requests()[0].starts_with("HEAD /v1 "));
}
