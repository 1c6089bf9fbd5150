//! The first page, who may see it, and what guards every page; files and routes.

use crate::support::{
    BOOKING, CORRELATION, FRESH, HTML, Routes as _, SECRET, SLOT, Sent, World, bill, down,
    hidden_fields, rejected, slot, token, well,
};
use bff::memory::{Memory, Reply};
use pages::csrf_token;
use serde_json::{Value, json};

const FORMS: [&str; 3] = ["/payments", "/cancel", "/check-out"];

// ---- The first page ------------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_first_page_shows_free_slots_with_a_form_for_each() {
    let world = World::new(Memory::new(well));
    let response = world.by_ada(Sent::get("/web")).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    assert_eq!(response.headers["Content-Type"], "text/html; charset=utf-8");
    let page = &response.body;
    assert!(page.contains("Level 2, 14") && page.contains("Free"), "{page}");
    let fields = hidden_fields(page, "./bookings");
    assert_eq!(fields["slot"], SLOT);
    assert_eq!(fields["key"], format!("{FRESH}.{SLOT}"));
    assert_eq!(fields["proof"], csrf_token(SECRET, "ada"));
    let calls = world.services.calls();
    let slots = calls.iter().find(|(function, _)| function == "parking-query").unwrap();
    assert_eq!(slots.1["status"], "available");
}

#[tokio::test]
async fn the_first_page_goes_on_by_cursor_and_shows_all_slots_on_demand() {
    let world = World::new(Memory::new(well));
    let sent = Sent::get("/web").query("show", "all").query("cursor", "c1");
    let page = world.by_ada(sent).await.body;
    assert!(page.contains("?show=all&amp;cursor=c2"), "{page}");
    let calls = world.services.calls();
    let slots = calls.iter().find(|(function, _)| function == "parking-query").unwrap();
    assert_eq!((&slots.1["status"], &slots.1["cursor"]), (&Value::Null, &json!("c1")));
    for (name, value) in [("show", "some"), ("colour", "red"), ("cursor", "")] {
        let response = world.by_ada(Sent::get("/web").query(name, value)).await;
        assert_eq!(response.status_code, 400, "{name}={value}");
    }
}

/// Services of a platform whose slots are all taken, or that has none.
fn without_free_slots(
    has_any: bool,
) -> impl Fn(&str, &Value) -> Reply + Clone + Send + Sync + 'static {
    move |function: &str, request: &Value| match (function, request["query"].as_str()) {
        ("parking-query", Some("slots")) if has_any && request["status"].is_null() => {
            Reply::Response(json!({"items": [slot()]}))
        }
        ("parking-query", Some("slots")) => Reply::Response(json!({"items": []})),
        _ => well(function, request),
    }
}

#[tokio::test]
async fn a_platform_without_slots_says_that_an_operator_adds_them_and_where() {
    for sent in [Sent::get("/web"), Sent::get("/web").query("show", "all")] {
        let page = World::new(Memory::new(without_free_slots(false))).by_ada(sent).await.body;
        assert!(page.contains("There are no slots yet."), "{page}");
        let link = "An operator adds slots in the <a href=\"./../operator/room/slots\">operator console</a>";
        assert!(page.contains(link), "{page}");
        assert!(!page.contains("becomes free"), "{page}");
    }
}

#[tokio::test]
async fn where_all_slots_are_taken_the_first_page_says_so_and_shows_them_on_demand() {
    let world = World::new(Memory::new(without_free_slots(true)));
    let page = world.by_ada(Sent::get("/web")).await.body;
    assert!(page.contains("No slot is free right now.") && page.contains("?show=all"), "{page}");
    let end = world.by_ada(Sent::get("/web").query("cursor", "c9")).await;
    assert!(end.body.contains("There are no more slots."));
}

#[tokio::test]
async fn a_cursor_that_is_not_ours_is_a_bad_link_and_not_an_outage() {
    let services = Memory::new(|function: &str, request: &Value| {
        if request["cursor"] == "zzz" {
            return rejected("validation", "cursor is not one of ours");
        }
        well(function, request)
    });
    let world = World::new(services);
    for path in ["/web", "/web/bookings"] {
        let response = world.by_ada(Sent::get(path).query("cursor", "zzz")).await;
        assert_eq!(response.status_code, 400, "{path}: {}", response.body);
        assert!(response.body.contains("Bad link or form"), "{path}: {}", response.body);
        assert!(!response.body.contains("unavailable"), "{path}: {}", response.body);
        let json = world.by_ada(Sent::get(path).query("cursor", "zzz").json()).await;
        assert_eq!(json.problem(), (400, "validation".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn links_work_with_and_without_a_slash_at_the_end() {
    let world = World::new(Memory::new(well));
    let with = world.by_ada(Sent::get("/web")).await.body;
    assert!(with.contains("href=\"./bookings\"") && with.contains("action=\"./bookings\""));
    let without = world.by_ada(Sent::get("/web").path("/web")).await.body;
    assert!(without.contains("href=\"web/bookings\""), "{without}");
}

// ---- Who may come in -----------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_customer_without_a_session_signs_in_and_returns_to_the_page() {
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    let back = format!("?back=bookings%2F{BOOKING}");
    for (sent, expected) in [
        (Sent::get("/web"), "./sign-in".to_owned()),
        (Sent::get("/web/bookings"), "./sign-in?back=bookings".to_owned()),
        (Sent::booking("GET", ""), format!("../sign-in{back}")),
        (Sent::booking("POST", "/cancel").fields(&[]), format!("../../sign-in{back}")),
    ] {
        assert_eq!(world.send(sent).await.see_other(), expected);
    }
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn a_token_that_is_not_good_opens_nothing() {
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    let other = World::new(Memory::new(|_: &str, _: &Value| down()));
    let late = token(&world.issuer, "ada", "customer", -1);
    for bad in [late, other.ada(), "a.b.c".to_owned(), String::new()] {
        let sent = Sent::get("/web/bookings").cookie(&world.session(), &bad);
        assert_eq!(world.send(sent).await.see_other(), "./sign-in?back=bookings");
        let sent = Sent::booking("GET", "").json();
        let sent = sent.header("Authorization", &format!("Bearer {bad}"));
        let response = world.send(sent).await;
        assert_eq!(response.problem(), (401, "unauthenticated".to_owned()));
    }
    // A program that names no media type is no person.
    let response = world.send(Sent::get("/web").header("Accept", "*/*")).await;
    assert_eq!(response.problem(), (401, "unauthenticated".to_owned()));
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn a_bearer_token_opens_what_a_cookie_does_and_goes_before_it() {
    let world = World::new(Memory::new(well));
    let bearer = format!("Bearer {}", world.ada());
    let response =
        world.send(Sent::booking("GET", "").json().header("Authorization", &bearer)).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    let sent = Sent::booking("GET", "").json().header("Authorization", "Bearer x");
    assert_eq!(world.by_ada(sent).await.status_code, 401);
}

#[tokio::test]
async fn operators_have_a_door_of_their_own() {
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    let operator = token(&world.issuer, "olga", "operator", 60);
    let sent = || Sent::get("/web").cookie(&world.session(), &operator);
    let page = world.send(sent()).await;
    assert_eq!(page.status_code, 403);
    assert!(page.body.contains("Not allowed"));
    assert_eq!(world.send(sent().json()).await.problem(), (403, "forbidden".to_owned()));
}

// ---- What guards the pages -----------------------------------------------------------------------------------------

#[tokio::test]
async fn every_response_restricts_what_a_browser_may_do_with_it() {
    let world = World::new(Memory::new(well));
    let asset = world.by_ada(Sent::get("/web")).await.body;
    let style = asset.split("./assets/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for (sent, status) in [
        (Sent::get("/web"), 200),
        (Sent::get("/web/bookings"), 200),
        (Sent::booking("GET", ""), 200),
        (Sent::booking("GET", "").json(), 200),
        (Sent::get("/web/sign-in"), 200),
        (Sent::get("/web/nowhere"), 404),
        (Sent::booking("POST", "/cancel").fields(&[]), 403),
        (Sent::new("GET", "/web/assets/{name}", &[("name", &style)]), 200),
    ] {
        let response = world.by_ada(sent).await;
        assert_eq!(response.status_code, status, "{}", response.body);
        let policy = &response.headers["Content-Security-Policy"];
        for directive in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"] {
            assert!(policy.contains(directive), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers["X-Content-Type-Options"], "nosniff");
        assert_eq!(response.headers["X-Correlation-Id"], CORRELATION);
        assert_eq!(response.headers["Referrer-Policy"], "same-origin");
        assert!(!response.headers.contains_key("Access-Control-Allow-Origin"));
        // Nothing inline that the policy would stop, nothing from elsewhere, and no secret.
        let body = &response.body;
        for word in ["style=\"", "<style", " onclick", " onload", "src=\"http", "href=\"http"] {
            assert!(!body.contains(word), "{word}: {body}");
        }
        assert!(!body.contains(&world.ada()), "{body}");
    }
}

#[tokio::test]
async fn a_page_is_private_and_never_cached() {
    let world = World::new(Memory::new(well));
    for sent in [Sent::get("/web"), Sent::get("/web/bookings"), Sent::booking("GET", "")] {
        let response = world.by_ada(sent).await;
        assert_eq!(response.headers["Cache-Control"], "no-store");
        assert!(response.headers["Vary"].contains("Cookie"));
    }
}

#[tokio::test]
async fn a_form_that_is_not_our_pages_changes_nothing() {
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    let ours = csrf_token(SECRET, "ada");
    let of_another_user = csrf_token(SECRET, "grace");
    let mut forms: Vec<Sent> = FORMS.iter().map(|it| Sent::booking("POST", it)).collect();
    forms.push(Sent::new("POST", "/web/bookings", &[]));
    forms.push(Sent::new("POST", "/web/sign-out", &[]));
    for form in forms {
        let good = form.clone().fields(&[("proof", &ours)]);
        for sent in [
            form.clone().fields(&[]),
            form.clone().fields(&[("proof", "")]),
            form.clone().fields(&[("proof", &of_another_user)]),
            good.clone().header("Origin", "https://evil.example"),
            good.clone().header("Origin", "null"),
            good.clone().header("Sec-Fetch-Site", "cross-site"),
            good.header("Sec-Fetch-Site", "same-site"),
        ] {
            let response = world.by_ada(sent).await;
            assert_eq!(response.status_code, 403, "{}", response.body);
        }
        let json = form.header("Content-Type", "text/plain");
        assert_eq!(world.by_ada(json).await.status_code, 400);
    }
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn what_others_have_written_is_text_and_nothing_else() {
    let evil = "<script>alert(1)</script>\"'&";
    let services = Memory::new(move |function: &str, request: &Value| match function {
        "parking-query" => {
            let mut slot = slot();
            slot["name"] = json!(evil);
            Reply::Response(match request["query"].as_str() {
                Some("slots") => json!({"items": [slot], "nextCursor": evil}),
                _ => slot,
            })
        }
        "billing-query" => {
            let mut bill = bill();
            bill["payments"][1]["reason"] = json!(evil);
            Reply::Response(bill)
        }
        _ => well(function, request),
    });
    let world = World::new(services);
    for sent in [Sent::get("/web"), Sent::booking("GET", "")] {
        let page = world.by_ada(sent).await.body;
        assert!(
            page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"),
            "{page}"
        );
    }
}

// ---- Files and routes ----------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_files_of_a_page_exist_and_are_cached_as_immutable() {
    let world = World::new(Memory::new(well));
    let page = world.by_ada(Sent::get("/web")).await.body;
    let names: Vec<&str> =
        page.split("./assets/").skip(1).filter_map(|it| it.split('"').next()).collect();
    assert_eq!(names.len(), 3);
    for name in names {
        let response = world.send(Sent::new("GET", "/web/assets/{name}", &[("name", name)])).await;
        assert_eq!(response.status_code, 200, "{name}");
        assert_eq!(response.headers["Cache-Control"], "public, max-age=31536000, immutable");
        assert!(!response.body.is_empty());
    }
    for name in ["style.css", "..", "%2e%2e%2fCargo.toml", ""] {
        let response = world.send(Sent::new("GET", "/web/assets/{name}", &[("name", name)])).await;
        assert_eq!(response.status_code, 404, "{name}");
    }
}

#[tokio::test]
async fn every_operation_of_the_document_is_routed_and_no_other() {
    let document = include_str!("../../../../contracts/openapi.yaml");
    let document: Value = serde_yaml_ng::from_str(document).expect("YAML");
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    let mut routed = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            // Whatever no route takes.
            if method == "x-amazon-apigateway-any-method" {
                continue;
            }
            let function = operation["x-amazon-apigateway-integration"]["uri"].to_string();
            if !function.contains("WebBffFunction") {
                continue;
            }
            let sent = Sent::new(&method.to_uppercase(), path, &[]).json();
            let response = world.form(sent, &[]).await;
            assert!(!response.body.contains("no such route"), "{method} {path}");
            routed += 1;
        }
    }
    assert_eq!(routed, 12);
    for (method, resource) in [("GET", "/web/cars"), ("DELETE", "/web/bookings"), ("GET", "")] {
        let response =
            world.form(Sent::new(method, resource, &[]).header("Accept", HTML), &[]).await;
        assert_eq!(response.status_code, 404, "{method} {resource}");
        assert!(response.body.contains("Page not found"));
    }
}

#[tokio::test]
async fn what_no_route_takes_is_a_page_for_a_browser_and_a_problem_document_for_a_program() {
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    let sent = || Sent::new("GET", "/web/{proxy+}", &[]).path("/web/nope/nope");
    // Also for a browser that has not signed in: there is nothing to sign in for.
    for response in [world.send(sent()).await, world.by_ada(sent()).await] {
        assert_eq!(response.status_code, 404);
        assert_eq!(response.headers["Content-Type"], "text/html; charset=utf-8");
        assert!(
            response.body.contains("Page not found")
                && response.body.contains("href=\"../bookings\"")
        );
    }
    let response = world.send(sent().json()).await;
    assert_eq!(response.problem(), (404, "not-found".to_owned()));
}

#[tokio::test]
async fn the_address_of_a_form_leads_a_browser_to_the_page_of_the_form() {
    let world = World::new(Memory::new(|_: &str, _: &Value| down()));
    for below in FORMS {
        let response = world.send(Sent::booking("GET", below)).await;
        assert_eq!(response.see_other(), format!("../../bookings/{BOOKING}"), "{below}");
    }
    assert_eq!(world.send(Sent::get("/web/sign-out")).await.see_other(), "./");
}

#[tokio::test]
async fn the_gateway_sends_the_address_of_every_form_and_what_no_route_takes_to_the_pages() {
    let document = include_str!("../../../../contracts/openapi.yaml");
    let document: Value = serde_yaml_ng::from_str(document).expect("YAML");
    let is_sent_here = |path: &str| {
        let any = &document["paths"][path]["x-amazon-apigateway-any-method"];
        let to = any["x-amazon-apigateway-integration"]["uri"].to_string();
        to.contains("WebBffFunction")
    };
    let forms = FORMS.iter().map(|it| format!("/web/bookings/{{bookingId}}{it}"));
    for path in forms.chain(["/web/{proxy+}".to_owned(), "/web/sign-out".to_owned()]) {
        assert!(is_sent_here(&path), "{path}");
    }
}
