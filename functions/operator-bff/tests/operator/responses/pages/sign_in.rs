//! `/operator/sign-in`, `/operator/signed-in` and `/operator/sign-out`.

use ::pages::open_id::{MemoryProvider, Tokens};
use ::pages::{CSRF_FIELD, csrf_token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::{address_of_form, form, page, responses};
use crate::responses::Sender::SignedOut;
use crate::responses::{Case, FOREIGN};
use crate::support::{BOOKING, OperatorRequest as _, SECRET, Sent, SignIn, now, signed, token};

/// The cookie of an attempt to sign in at the provider, whose state is `s1`.
const ATTEMPT: &str = "parkade-operator-attempt-s1";

fn local() -> SignIn {
    SignIn::Local
}

fn provider() -> SignIn {
    giving("olga", token("olga", "openid operator"))
}

fn provider_of_customers() -> SignIn {
    giving("ada", token("ada", "openid customer"))
}

/// A provider that gives this user's access token to the verifier `v1` and the code `c1`.
fn giving(user: &str, access: String) -> SignIn {
    let claims = json!({
        "iss": "https://issuer.example", "aud": "operator", "sub": user, "nonce": "n1",
        "exp": now().as_second() + 600,
    });
    let tokens = Tokens { access, id: signed(&claims) };
    SignIn::Provider(MemoryProvider { code: "c1".to_owned(), verifier: "v1".to_owned(), tokens })
}

fn stranger(title: &str, sent: Sent) -> Case {
    page(title, sent).by(SignedOut).down()
}

fn get() -> Sent {
    Sent::new("GET", "/operator/sign-in", &[])
}

#[tokio::test]
async fn the_page() {
    let back = |to: &str| get().query("back", to);
    insta::assert_snapshot!(
        responses([
            stranger("with no way to sign in", get()),
            stranger("on the local cloud", get()).sign_in(local),
            stranger("with a page to return to", back("room/slots")).sign_in(local),
            stranger("with a booking to return to", back(&format!("room/bookings/{BOOKING}")))
                .sign_in(local),
            stranger("with another site to return to", back("//evil.example")).sign_in(local),
            stranger("a program", get()).sign_in(local).json(),
            page("signed in already", get()).sign_in(local),
            stranger("an unknown parameter", get().query("colour", "red")).sign_in(local),
            stranger("an unknown parameter, a program", get().query("colour", "red")).json(),
            stranger("at a provider", back("room/slots")).sign_in(provider),
            stranger("to the provider", back("room/slots").query("go", "provider"))
                .sign_in(provider),
        ])
        .await
    );
}

#[tokio::test]
async fn under_a_name() {
    let csrf = csrf_token(SECRET, "");
    let good = [(CSRF_FIELD, csrf.as_str()), ("back", "room/slots"), ("name", "olga")];
    let sent = |fields: &[(&str, &str)]| {
        let sent = Sent::new("POST", "/operator/sign-in", &[]).browser();
        sent.cookie("parkade-operator-csrf", SECRET).fields(fields)
    };
    let case = |title: &str, fields: &[(&str, &str)]| stranger(title, sent(fields)).sign_in(local);
    let long = "x".repeat(64 * 1024);
    insta::assert_snapshot!(
        responses([
            case("with a page to return to", &good),
            case("without one", &[good[0], good[2]]),
            case("a program", &good).json(),
            case("an invalid name", &[good[0], ("name", "<script>")]),
            case("no name", &good[..2]),
            case("without a CSRF token", &good[1..]),
            case("without a CSRF token, a program", &good[1..]).json(),
            case("without a cookie", &good).header("Cookie", "theme=dark"),
            case("from another origin", &good).header("Origin", FOREIGN),
            case("from another site", &good).header("Sec-Fetch-Site", "cross-site"),
            case("an unknown field", &[good[0], good[2], ("colour", "red")]),
            case("an unknown field, a program", &[good[0], good[2], ("colour", "red")]).json(),
            case("a field twice, a program", &[good[0], good[2], good[2]]).json(),
            case("too large", &[good[0], good[2], ("back", &long)]),
            case("another media type", &good).header("Content-Type", "text/plain"),
            stranger("an unknown parameter", sent(&good).query("colour", "red")).sign_in(local),
            stranger("with no way to sign in", sent(&good)),
            stranger("with no way to sign in, a program", sent(&good)).json(),
            stranger("at a provider", sent(&good)).sign_in(provider),
        ])
        .await
    );
}

#[tokio::test]
async fn back_from_the_provider() {
    let attempt = json!({"verifier": "v1", "nonce": "n1", "back": "room/slots"});
    let attempt = URL_SAFE_NO_PAD.encode(attempt.to_string());
    let back = |code: &str, state: &str| {
        let sent = Sent::new("GET", "/operator/signed-in", &[]).browser();
        sent.cookie(ATTEMPT, &attempt).query("code", code).query("state", state)
    };
    let case =
        |title: &str, code: &str, state: &str| stranger(title, back(code, state)).sign_in(provider);
    insta::assert_snapshot!(
        responses([
            case("with a code", "c1", "s1"),
            case("a code that is not good", "c2", "s1"),
            case("no code", "", "s1"),
            case("no code, a program", "", "s1").json(),
            case("the state of another browser", "c1", "s2"),
            case("the state of another browser, a program", "c1", "s2").json(),
            case("no cookie", "c1", "s1").header("Cookie", "theme=dark"),
            case("a customer", "c1", "s1").sign_in(provider_of_customers),
            case("on the local cloud", "c1", "s1").sign_in(local),
            case("with no way to sign in, a program", "c1", "s1").sign_in(|| SignIn::None).json(),
        ])
        .await
    );
}

#[tokio::test]
async fn signing_out() {
    let post = || Sent::new("POST", "/operator/sign-out", &[]);
    insta::assert_snapshot!(responses(form(post, &[])).await);
}

#[tokio::test]
async fn the_address_for_signing_out() {
    insta::assert_snapshot!(responses(address_of_form("/operator/sign-out", &[])).await);
}
