//! The public API: authentication, authorization, and requests that never reach a service.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use platform::{Platform, Reply, eventually, xtask};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn health_needs_no_token() {
    let health = Platform::up().send(Method::GET, "/health", &[], None).await.expect(200);
    assert_eq!(health["status"], "ok");
    assert!(health["version"].is_string());
}

#[tokio::test]
async fn the_openapi_document_is_public() {
    let platform = Platform::up();
    let response = platform.send(Method::GET, "/openapi.json", &[], None).await;
    let tag = response.header("etag").unwrap();
    let document = response.expect(200);
    assert!(document["paths"]["/mobile/bookings"]["post"].is_object());
    let again = [("if-none-match", tag.as_str())];
    assert_eq!(platform.send(Method::GET, "/openapi.json", &again, None).await.status, 304);
    let page = platform.send(Method::GET, "/docs", &[], None).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.text.contains("/mobile/bookings"));
}

#[tokio::test]
async fn a_long_response_is_compressed_on_request_with_the_same_etag() {
    let platform = Platform::up();
    let plain = platform.send(Method::GET, "/openapi.json", &[], None).await;
    assert_eq!(plain.header("content-encoding"), None);
    let headers = [("accept-encoding", "gzip")];
    let compressed = platform.send(Method::GET, "/openapi.json", &headers, None).await;
    assert_eq!(compressed.header("content-encoding").as_deref(), Some("gzip"));
    assert_eq!(compressed.header("etag"), plain.header("etag"));
    let length = |it: &Reply| it.header("content-length").unwrap().parse::<usize>().unwrap();
    assert!(
        length(&compressed) * 3 < length(&plain),
        "{} of {}",
        length(&compressed),
        length(&plain)
    );
    // A short response would not become shorter.
    let short = platform.send(Method::GET, "/health", &headers, None).await;
    assert_eq!((short.status, short.header("content-encoding")), (200, None));
}

#[tokio::test]
async fn every_other_route_requires_a_token() {
    let platform = Platform::up();
    let id = Uuid::new_v4();
    for path in [
        "/operator/slots".to_owned(),
        "/operator/bookings".to_owned(),
        format!("/operator/slots/{id}"),
        format!("/operator/bookings/{id}/events"),
        format!("/operator/bookings/{id}/saga"),
        "/mobile/slots".to_owned(),
        "/mobile/bookings".to_owned(),
        format!("/mobile/bookings/{id}"),
        "/operator/".to_owned(),
        "/operator/room/bookings".to_owned(),
        "/web/".to_owned(),
        "/web/bookings".to_owned(),
        format!("/web/bookings/{id}"),
    ] {
        let reply = platform.send(Method::GET, &path, &[], None).await;
        reply.expect_problem(401, "unauthenticated");
    }
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn a_forged_token_is_rejected() {
    let platform = Platform::up();
    let good = platform.customer().await.token;
    let [header, claims, signature]: [&str; 3] =
        good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let with_claims = |name: &str, value: Value| {
        let mut changed = part(&good, 1);
        changed[name] = value;
        format!("{header}.{}.{signature}", encoded(&changed))
    };
    let with_algorithm = |name: &str, signature: &str| {
        let mut changed = part(&good, 0);
        changed["alg"] = json!(name);
        format!("{}.{claims}.{signature}", encoded(&changed))
    };
    let forged = [
        with_algorithm("none", ""),
        with_algorithm("none", signature),
        with_algorithm("HS256", signature),
        with_claims("scope", json!("operator")),
        with_claims("iss", json!("https://evil.example")),
        with_claims("aud", json!("another-audience")),
        with_claims("exp", json!(4_000_000_000_u64)),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        "garbage".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(6_000),
    ];
    for token in forged {
        let reply = platform.bearer(&token).get("/mobile/slots").await;
        reply.expect_problem(401, "unauthenticated");
    }
    platform.bearer(&good).get("/mobile/slots").await.expect(200);
}

#[tokio::test]
async fn an_expired_token_is_rejected() {
    let platform = Platform::up();
    let expired = platform.caller("customer", "late", &["--ttl=-1"]).await;
    expired.get("/mobile/slots").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn the_scheme_of_a_token_has_no_case() {
    let platform = Platform::up();
    let token = platform.customer().await.token;
    for scheme in ["Bearer", "bearer", "BEARER", "bEARER"] {
        let authorization = format!("{scheme} {token}");
        let sent = [("authorization", authorization.as_str())];
        platform.send(Method::GET, "/mobile/slots", &sent, None).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_that_expires_is_401_at_once_though_its_policy_is_cached() {
    let platform = Platform::up();
    for (role, path) in [("customer", "/mobile/slots"), ("operator", "/operator/slots")] {
        let caller = platform.caller(role, "brief", &["--ttl=6"]).await;
        caller.get(path).await.expect(200);
        let expired = eventually("the token has expired", async || {
            let reply = caller.get(path).await;
            (reply.status != 200).then_some(reply)
        })
        .await;
        expired.expect_problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_path_is_the_same_with_a_slash_at_its_end_and_so_is_a_location() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let booking_request = json!({ "slotId": slot, "payment": { "mode": "invoice" } });
    let booked = customer.post_once("/mobile/bookings/", &booking_request).await;
    let location = booked.header("location").unwrap();
    let id = booked.expect(202)["bookingId"].clone();
    let requested = reqwest::Url::parse(&format!("{}/mobile/bookings/", platform.api())).unwrap();
    let resolved = requested.join(&location).unwrap();
    let found = eventually("the booking is at its location", async || {
        let reply = customer.get(resolved.as_str()).await;
        (reply.status != 404).then(|| reply.expect(200))
    })
    .await;
    assert_eq!(found["bookingId"], id);
    customer.get("/mobile/slots/").await.expect(200);
}

#[tokio::test]
async fn a_client_may_send_its_etags_in_several_lines() {
    let platform = Platform::up();
    let response = platform.send(Method::GET, "/openapi.json", &[], None).await;
    let tag = response.header("etag").unwrap();
    for lines in [["\"x\"", tag.as_str()], [tag.as_str(), "\"x\""]] {
        let sent = lines.map(|it| ("if-none-match", it));
        let again = platform.send(Method::GET, "/openapi.json", &sent, None).await;
        assert_eq!(again.status, 304, "{lines:?}");
    }
}

#[tokio::test]
async fn headers_that_no_program_sends_break_nothing() {
    let platform = Platform::up();
    for (name, value) in [
        ("host", "a b"),
        ("host", "[::"),
        ("host", "https://evil.example"),
        ("x-forwarded-proto", "no scheme"),
        ("x-forwarded-host", "a b"),
        ("x-anything", "\u{fc}"),
    ] {
        let reply = platform.send(Method::GET, "/health", &[(name, value)], None).await;
        // The server in front may refuse what is no host; no function fails because of it.
        assert!(reply.status < 500, "{name}: {value} → {} {}", reply.status, reply.text);
    }
}

#[tokio::test]
async fn customers_and_operators_cannot_call_each_others_routes() {
    let platform = Platform::up();
    let (customer, operator) = (platform.customer().await, platform.operator().await);
    customer.get("/operator/slots").await.expect_problem(403, "forbidden");
    let slot = json!({ "name": "mine" });
    customer.post("/operator/slots", &slot).await.expect_problem(403, "forbidden");
    operator.get("/mobile/bookings").await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn a_route_that_does_not_exist_is_not_found() {
    let platform = Platform::up();
    let operator = platform.operator().await;
    for path in ["/nowhere", "/mobile", "/operator/slots/a/b/c"] {
        operator.get(path).await.expect_problem(404, "not-found");
    }
    let deleted = operator.send(Method::DELETE, "/operator/slots", &[], None).await;
    deleted.expect_problem(404, "not-found");
}

#[tokio::test]
async fn a_malformed_request_is_rejected_without_side_effects() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let slot = platform.slot().await;
    let card = json!({ "mode": "instant", "token": "tok_visa" });
    let long = "x".repeat(1 << 20);
    let bodies = [
        "{".to_owned(),
        String::new(),
        "[]".to_owned(),
        "null".to_owned(),
        "\"text\"".to_owned(),
        json!({}).to_string(),
        json!({ "slotId": slot }).to_string(),
        json!({ "slotId": 7, "payment": card }).to_string(),
        json!({ "slotId": "seven", "payment": card }).to_string(),
        json!({ "slotId": slot.to_uppercase(), "payment": "card" }).to_string(),
        json!({ "slotId": slot, "payment": { "mode": "barter" } }).to_string(),
        json!({ "slotId": slot, "payment": { "mode": "instant" } }).to_string(),
        json!({ "slotId": slot, "payment": { "mode": "instant", "token": 7 } }).to_string(),
        json!({ "slotId": slot, "payment": { "mode": "instant", "token": "" } }).to_string(),
        json!({ "slotId": slot, "payment": { "mode": "invoice", "token": "tok_visa" } })
            .to_string(),
        json!({ "slotId": slot, "payment": card, "extra": 1 }).to_string(),
    ];
    let key = [("idempotency-key", "a-key")];
    for body in bodies {
        let reply = customer.send(Method::POST, "/mobile/bookings", &key, Some(body.clone())).await;
        assert_eq!(reply.status, 400, "{body} → {}", reply.text);
        reply.expect_problem(400, "validation");
    }
    let huge = json!({ "slotId": slot, "payment": card, "padding": long }).to_string();
    let reply = customer.send(Method::POST, "/mobile/bookings", &key, Some(huge)).await;
    assert!([400, 413].contains(&reply.status), "{}", reply.text);
    let good = json!({ "slotId": slot, "payment": card });
    customer.post("/mobile/bookings", &good).await.expect_problem(400, "validation");

    let kept = customer.get("/mobile/bookings").await.expect(200);
    assert_eq!(kept["items"], json!([]));
    assert_eq!(platform.slot_status(&slot).await, "available");
}

#[tokio::test]
async fn a_slot_needs_a_name_of_1_to_100_characters() {
    let operator = Platform::up().operator().await;
    for body in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": 7 }),
        json!({ "name": "x".repeat(101) }),
        json!({ "name": "x", "status": "reserved" }),
    ] {
        operator.post("/operator/slots", &body).await.expect_problem(400, "validation");
    }
    let longest = json!({ "name": "é".repeat(100) });
    let slot = operator.post("/operator/slots", &longest).await.expect(201);
    assert_eq!(slot["name"], longest["name"]);
    assert_eq!(slot["status"], "available");
}

#[tokio::test]
async fn unknown_ids_are_not_found() {
    let platform = Platform::up();
    let (customer, operator) = (platform.customer().await, platform.operator().await);
    let id = Uuid::new_v4();
    for path in [
        format!("/operator/slots/{id}"),
        format!("/operator/bookings/{id}/events"),
        format!("/operator/bookings/{id}/saga"),
    ] {
        operator.get(&path).await.expect_problem(404, "not-found");
    }
    for path in [format!("/operator/slots/{id}/close"), format!("/operator/slots/{id}/reopen")] {
        let reply = operator.send(Method::POST, &path, &[], None).await;
        reply.expect_problem(404, "not-found");
    }
    let path = format!("/mobile/bookings/{id}");
    customer.get(&path).await.expect_problem(404, "not-found");
    customer.cancel(&id.to_string()).await.expect_problem(404, "not-found");
    customer.check_out(&id.to_string()).await.expect_problem(404, "not-found");
    let paid = customer.pay(&format!("{id}:{id}"), "100.00", "tok_visa").await;
    paid.expect_problem(404, "not-found");
    let request = json!({ "slotId": id, "payment": { "mode": "invoice" } });
    customer.post_once("/mobile/bookings", &request).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn lists_accept_only_known_filters_and_limits() {
    let platform = Platform::up();
    let (customer, operator) = (platform.customer().await, platform.operator().await);
    for query in ["limit=0", "limit=101", "limit=x", "limit=-1", "cursor=AAAA", "colour=red"] {
        let path = format!("/mobile/bookings?{query}");
        customer.get(&path).await.expect_problem(400, "validation");
        let path = format!("/operator/bookings?{query}");
        operator.get(&path).await.expect_problem(400, "validation");
        let path = format!("/operator/slots?{query}");
        operator.get(&path).await.expect_problem(400, "validation");
    }
    for path in ["/operator/bookings?status=lost", "/operator/slots?status=lost"] {
        operator.get(path).await.expect_problem(400, "validation");
    }
    customer.get("/mobile/slots?status=lost").await.expect_problem(400, "validation");
    customer.get("/mobile/slots?status=available&limit=1").await.expect(200);
}

#[tokio::test]
async fn a_well_formed_correlation_id_is_returned() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let id = Uuid::new_v4().to_string();
    for path in ["/mobile/slots", &format!("/mobile/bookings/{}", Uuid::new_v4())] {
        let sent = [("x-correlation-id", id.as_str())];
        let reply = customer.send(Method::GET, path, &sent, None).await;
        assert_eq!(reply.header("x-correlation-id").as_deref(), Some(id.as_str()));
        let sent = [("x-correlation-id", "<script>")];
        let fresh = customer.send(Method::GET, path, &sent, None).await;
        let fresh = fresh.header("x-correlation-id").unwrap();
        assert!(Uuid::parse_str(&fresh).is_ok(), "{fresh}");
    }
}

#[tokio::test]
async fn a_trace_id_appears_in_the_log_of_the_called_service() {
    let platform = Platform::up();
    let customer = platform.customer().await;
    let hex = |digits: usize| Uuid::new_v4().simple().to_string()[..digits].to_owned();
    let trace = format!("00-{}-{}-01", hex(32), hex(16));
    let sent = [("traceparent", trace.as_str())];
    customer.send(Method::GET, "/mobile/slots", &sent, None).await.expect(200);
    eventually("the service has logged the trace", async || {
        let logs = xtask().args(["logs", "parking-query", "--since", "2m"]).output().await.unwrap();
        String::from_utf8_lossy(&logs.stdout).contains(&trace).then_some(())
    })
    .await;
}
