//! Signing in and out, on the local cloud and at an OpenID provider.

use api_gateway::issuer::Issuer;
use bff::memory::{Memory, Reply};
use pages::open_id::{MemoryProvider, Tokens};
use pages::{SignInMethod, csrf_token};
use serde_json::{Value, json};

use crate::support::{
    Method, Received, Routes as _, SECRET, Sent, World, hidden_fields, next_secrets, now, open_id,
    token, well,
};

type Services = Memory<fn(&str, &Value) -> Reply>;

fn world(method: Method) -> World<Services> {
    World::with(Memory::new(well as fn(&str, &Value) -> Reply), method)
}

fn sign_in_form(world: &World<Services>, secret: &str, fields: &[(&str, &str)]) -> Sent {
    let sent = Sent::new("POST", "/web/sign-in", &[]);
    sent.cookie(&world.csrf(), secret).fields(fields)
}

#[tokio::test]
async fn on_a_local_cloud_a_button_signs_a_customer_in() {
    let world = world(Method::Local);
    let [secret] = next_secrets();
    let page = world.send(Sent::get("/web/sign-in").query("back", "bookings")).await;
    assert_eq!(page.status_code, 200, "{}", page.body);
    assert_eq!(page.cookies()[0].0, world.csrf());
    assert_eq!(page.cookie(&world.csrf()), Some(secret.as_str()));
    let fields = hidden_fields(&page.body, "./sign-in");
    assert_eq!(fields["back"], "bookings");
    let fields = [("proof", fields["proof"].as_str()), ("back", "bookings"), ("name", " grace ")];
    let response = world.send(sign_in_form(&world, &secret, &fields)).await;
    assert_eq!(response.see_other(), "./bookings");
    let (_, token, attributes) = response.cookies()[0];
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=3600"] {
        assert!(attributes.contains(attribute), "{attributes}");
    }
    let page = world.send(Sent::get("/web/bookings").cookie(&world.session(), token)).await;
    assert!(page.status_code == 200 && page.body.contains("grace"), "{}", page.body);
}

#[tokio::test]
async fn an_invalid_name_and_a_form_from_another_site_do_not_sign_in() {
    let world = world(Method::Local);
    let csrf = csrf_token(SECRET, "");
    for name in ["", "a b", "<script>", "-a"] {
        let fields = [("proof", csrf.as_str()), ("name", name)];
        let response = world.send(sign_in_form(&world, SECRET, &fields)).await;
        assert_eq!(response.status_code, 400);
        assert!(response.cookie(&world.session()).is_none());
        assert!(
            response.body.contains("A name has 1 to 64 letters")
                && !response.body.contains("<script>\"")
        );
    }
    let good = [("proof", csrf.as_str()), ("name", "grace")];
    let foreign = sign_in_form(&world, SECRET, &good).header("Origin", "https://evil.example");
    let response = world.send(foreign).await;
    assert_eq!((response.status_code, response.cookies().len()), (403, 0));
}

#[tokio::test]
async fn a_sign_in_form_that_was_open_for_hours_signs_in() {
    let world = world(Method::Local);
    let [secret] = next_secrets();
    let page = world.send(Sent::get("/web/sign-in")).await;
    // The browser keeps the secret until it is closed.
    assert!(!page.headers["Set-Cookie"].contains("Max-Age"), "{}", page.headers["Set-Cookie"]);
    let csrf = hidden_fields(&page.body, "./sign-in")["proof"].clone();
    let late = now() + jiff::SignedDuration::from_hours(9);
    let form = sign_in_form(&world, &secret, &[("proof", &csrf), ("name", "grace")]);
    assert_eq!(world.send_at(form, late).await.see_other(), "./");
}

#[tokio::test]
async fn sign_in_forms_of_two_tabs_both_sign_in() {
    let world = world(Method::Local);
    let [secret] = next_secrets();
    let first = world.send(Sent::get("/web/sign-in")).await;
    let second = world.send(Sent::get("/web/sign-in").cookie(&world.csrf(), &secret)).await;
    for page in [first, second] {
        let csrf = hidden_fields(&page.body, "./sign-in")["proof"].clone();
        let form = sign_in_form(&world, &secret, &[("proof", &csrf), ("name", "grace")]);
        assert_eq!(world.send(form).await.see_other(), "./");
    }
}

#[tokio::test]
async fn a_sign_in_form_whose_secret_is_gone_is_shown_again_with_a_reason() {
    let world = world(Method::Local);
    let old = csrf_token("the secret of a browser that was closed", "");
    let fields = [("proof", old.as_str()), ("back", "bookings"), ("name", "grace")];
    let [secret] = next_secrets();
    let response = world.send(Sent::new("POST", "/web/sign-in", &[]).fields(&fields)).await;
    assert_eq!(response.status_code, 403);
    assert!(response.body.contains("This form was open for too long"), "{}", response.body);
    assert!(response.body.contains("value=\"grace\""), "{}", response.body);
    // Sent again, it works.
    let fields = hidden_fields(&response.body, "./sign-in");
    let fields =
        [("proof", fields["proof"].as_str()), ("back", &fields["back"]), ("name", "grace")];
    let response = world.send(sign_in_form(&world, &secret, &fields)).await;
    assert_eq!(response.see_other(), "./bookings");
}

#[tokio::test]
async fn outside_of_a_local_cloud_no_button_signs_a_customer_in() {
    for method in [Method::None, Method::Provider(MemoryProvider::default())] {
        let world = world(method);
        let csrf = csrf_token(SECRET, "");
        let form = sign_in_form(&world, SECRET, &[("proof", &csrf), ("name", "grace")]);
        assert_eq!(world.send(form).await.status_code, 404);
        let page = world.send(Sent::get("/web/sign-in")).await;
        assert!(!page.body.contains("name=\"name\""), "{}", page.body);
        let cookie = &page.headers["Set-Cookie"];
        assert!(cookie.starts_with("__Host-") && cookie.contains("Secure"), "{cookie}");
    }
}

#[tokio::test]
async fn signing_out_removes_everything_that_the_browser_keeps() {
    let world = world(Method::Local);
    let response = world.form(Sent::new("POST", "/web/sign-out", &[]), &[]).await;
    assert_eq!(response.see_other(), "./sign-in");
    for suffix in ["", "-form", "-csrf"] {
        let name = world.cookie(suffix);
        let cookie = response.cookies().into_iter().find(|it| it.0 == name).expect("it is set");
        assert!(cookie.1.is_empty() && cookie.2.contains("Max-Age=0"), "{cookie:?}");
    }
}

// ---- At a provider -------------------------------------------------------------------------------------------------

/// What the provider says: in the access token, and in the id token.
struct Said {
    scope: &'static str,
    id_subject: &'static str,
    nonce: Option<String>,
    padding: usize,
}

impl Said {
    fn good(nonce: &str) -> Self {
        let nonce = Some(nonce.to_owned());
        Self { scope: "openid customer", id_subject: "ada", nonce, padding: 0 }
    }
}

fn world_with_provider(verifier: &str, said: &Said) -> World<Services> {
    let issuer = Issuer::from_pkcs8(&Issuer::generate().expect("a key")).expect("a key");
    let scope = format!("{} {}", said.scope, "x".repeat(said.padding));
    let id = said.nonce.as_ref().map(|nonce| {
        let claims = json!({
            "iss": "https://issuer.example", "aud": "web", "sub": said.id_subject, "nonce": nonce,
            "exp": now().as_second() + 600,
        });
        issuer.sign(&claims).expect("signed")
    });
    let tokens = Tokens { access: token(&issuer, "ada", &scope, 600), id: id.unwrap_or_default() };
    let (code, verifier) = ("c1".to_owned(), verifier.to_owned());
    let provider = MemoryProvider { code, verifier, tokens };
    let services = Memory::new(well as fn(&str, &Value) -> Reply);
    World::behind(services, SignInMethod::OpenId(open_id()), provider, issuer)
}

/// Begins to sign in; returns where the browser goes, and the cookie of the attempt.
async fn begin(world: &World<Services>) -> (String, (String, String)) {
    let go = Sent::get("/web/sign-in").query("go", "provider").query("back", "bookings");
    let response = world.send(go).await;
    let (name, value, attributes) = response.cookies()[0];
    assert!(attributes.contains("Max-Age=900") && attributes.contains("Secure"), "{attributes}");
    (response.see_other().to_owned(), (name.to_owned(), value.to_owned()))
}

async fn return_from_provider(
    world: &World<Services>,
    cookie: &(String, String),
    code: &str,
    state: &str,
) -> Received {
    let sent = Sent::get("/web/signed-in").cookie(&cookie.0, &cookie.1);
    let sent = sent.query("code", code).query("state", state).query("session_state", "any");
    world.send(sent).await
}

#[tokio::test]
async fn a_provider_signs_people_in_and_sends_them_back() {
    let [state, verifier, nonce] = next_secrets();
    let world = world_with_provider(&verifier, &Said::good(&nonce));
    let (to, cookie) = begin(&world).await;
    let redirect = "redirect_uri=https%3A%2F%2Fa1b2c3d4e5.execute-api.us-east-1.amazonaws.com%2Fv1%2Fweb%2Fsigned-in";
    for part in [
        "https://id.example/authorize?response_type=code",
        "client_id=web",
        redirect,
        "scope=openid+customer",
        &format!("state={state}"),
        &format!("nonce={nonce}"),
        "code_challenge_method=S256",
    ] {
        assert!(to.contains(part), "{part}: {to}");
    }
    assert!(!to.contains(&verifier), "{to}");
    let response = return_from_provider(&world, &cookie, "c1", &state).await;
    assert_eq!(response.see_other(), "./bookings");
    let session = response.cookies().into_iter().find(|it| it.0 == world.session());
    let (_, token, attributes) = session.expect("a session");
    assert!(attributes.contains("Max-Age=600"), "{attributes}");
    assert_eq!(response.cookie(&cookie.0), Some(""), "an attempt returns once");
    let page = world.send(Sent::get("/web").cookie(&world.session(), token)).await;
    assert_eq!(page.status_code, 200);
}

#[tokio::test]
async fn every_attempt_has_secrets_of_its_own_and_several_tabs_sign_in_at_once() {
    let [first_state, .., second_state, verifier, nonce] = next_secrets::<6>();
    let world = world_with_provider(&verifier, &Said::good(&nonce));
    let (first, first_cookie) = begin(&world).await;
    let (second, second_cookie) = begin(&world).await;
    for part in ["state=", "nonce=", "code_challenge="] {
        let value =
            |url: &str| url.split(part).nth(1).unwrap().split('&').next().unwrap().to_owned();
        assert_ne!(value(&first), value(&second), "{part}");
    }
    let both = |sent: Sent| {
        sent.cookie(&first_cookie.0, &first_cookie.1).cookie(&second_cookie.0, &second_cookie.1)
    };
    // The second tab returns first.
    let sent = Sent::get("/web/signed-in").query("code", "c1").query("state", &second_state);
    assert_eq!(world.send(both(sent)).await.see_other(), "./bookings");
    // The first one is still known: the provider refuses its code, not these pages its state.
    let sent = Sent::get("/web/signed-in").query("code", "c1").query("state", &first_state);
    let response = world.send(both(sent)).await;
    assert!(response.body.contains("That took too long, or was used before"), "{}", response.body);
}

#[tokio::test]
async fn a_browser_keeps_five_attempts_at_most() {
    let world = world_with_provider("v", &Said::good("n"));
    let mut sent = Sent::get("/web/sign-in").query("go", "provider");
    for attempt in 1..=7 {
        sent = sent.cookie(&world.cookie(&format!("-attempt-{attempt}")), "x");
    }
    let response = world.send(sent).await;
    let dropped = response.cookies().into_iter().filter(|it| it.1.is_empty()).count();
    assert_eq!((dropped, response.cookies().len()), (3, 4));
}

#[tokio::test]
async fn a_return_that_does_not_belong_to_an_attempt_of_this_browser_does_not_sign_in() {
    for (code, is_own_state, status, text) in [
        ("c1", false, 401, "This sign-in took too long"),
        ("c2", true, 401, "That took too long"),
        ("", true, 401, "did not sign you in"),
    ] {
        let [state, verifier, nonce] = next_secrets();
        let world = world_with_provider(&verifier, &Said::good(&nonce));
        let (_, cookie) = begin(&world).await;
        let state = if is_own_state { state } else { "another".to_owned() };
        let response = return_from_provider(&world, &cookie, code, &state).await;
        assert_eq!(response.status_code, status, "{}", response.body);
        assert!(response.body.contains(text), "{}", response.body);
        assert!(response.cookie(&world.session()).is_none());
    }
}

#[tokio::test]
async fn tokens_of_another_sign_in_or_without_the_right_scope_do_not_sign_in() {
    for (said, text) in [
        (Said::good("another nonce"), "belongs to another sign-in"),
        (Said { id_subject: "grace", ..Said::good("N") }, "belongs to another sign-in"),
        (Said { nonce: None, ..Said::good("N") }, "did not confirm who you are"),
        (Said { scope: "openid", ..Said::good("N") }, "does not open these pages"),
        (Said { scope: "operator", ..Said::good("N") }, "does not open these pages"),
    ] {
        let [state, verifier, nonce] = next_secrets();
        let is_own = said.nonce.as_deref() == Some("N");
        let said = if is_own { Said { nonce: Some(nonce), ..said } } else { said };
        let world = world_with_provider(&verifier, &said);
        let (_, cookie) = begin(&world).await;
        let response = return_from_provider(&world, &cookie, "c1", &state).await;
        assert_eq!(response.status_code, 401, "{}", response.body);
        assert!(response.body.contains(text), "{text}: {}", response.body);
        assert!(response.cookie(&world.session()).is_none());
    }
}

#[tokio::test]
async fn a_token_that_does_not_fit_into_a_cookie_is_an_error_page() {
    let [state, verifier, nonce] = next_secrets();
    let said = Said { padding: 4_000, ..Said::good(&nonce) };
    let world = world_with_provider(&verifier, &said);
    let (_, cookie) = begin(&world).await;
    let response = return_from_provider(&world, &cookie, "c1", &state).await;
    assert_eq!(response.status_code, 401);
    assert!(response.body.contains("too long for a cookie"), "{}", response.body);
    assert!(response.cookie(&world.session()).is_none());
}
