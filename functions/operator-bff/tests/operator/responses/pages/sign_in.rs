//! `/operator/sign-in`, `/operator/signed-in` and `/operator/sign-out`.

use bff::pages::provider::OneToken;
use bff::pages::session::Proof;

use super::{address_of_form, form, page, responses};
use crate::responses::Sender::SignedOut;
use crate::responses::{Case, FOREIGN};
use crate::support::{BOOKING, SECRET, Sent, SignInMethod, token};

fn local() -> SignInMethod {
    SignInMethod::Local
}

fn provider() -> SignInMethod {
    giving(token("olga", "openid operator"))
}

fn giving(token: String) -> SignInMethod {
    let verifier = Proof(SECRET).verifier();
    SignInMethod::Provider(OneToken { code: "c1".to_owned(), verifier, token })
}

fn stranger(title: &str, sent: Sent) -> Case {
    page(title, sent).by(SignedOut).down()
}

fn get() -> Sent {
    Sent::new("GET", "/operator/sign-in", &[])
}

fn with_secret(sent: Sent) -> Sent {
    sent.browser().header("Cookie", &format!("parkade-operator-signing-in={SECRET}"))
}

#[tokio::test]
async fn the_page() {
    let back = |to: &str| get().query("back", to);
    insta::assert_snapshot!(
        responses([
            stranger("with no way to sign in", get()),
            stranger("on the local cloud", get()).door(local),
            stranger("with a page to return to", back("room/slots")).door(local),
            stranger("with a booking to return to", back(&format!("room/bookings/{BOOKING}")))
                .door(local),
            stranger("with another site to return to", back("//evil.example")).door(local),
            stranger("a program", get()).door(local).json(),
            page("signed in already", get()).door(local),
            stranger("an unknown parameter", get().query("colour", "red")).door(local),
            stranger("an unknown parameter, a program", get().query("colour", "red")).json(),
            stranger("at a provider", back("room/slots")).door(provider),
            stranger("to the provider", back("room/slots").query("go", "provider")).door(provider),
        ])
        .await
    );
}

#[tokio::test]
async fn under_a_name() {
    let proof = Proof(SECRET).of_form();
    let good = [("proof", proof.as_str()), ("back", "room/slots"), ("name", "olga")];
    let sent = |fields: &[(&str, &str)]| {
        with_secret(Sent::new("POST", "/operator/sign-in", &[])).fields(fields)
    };
    let case = |title: &str, fields: &[(&str, &str)]| stranger(title, sent(fields)).door(local);
    let keep = sent(&good).query("keep", "room/slots/x/close");
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
            stranger("an unknown parameter", sent(&good).query("colour", "red")).door(local),
            stranger("with a form to keep, which no page can show again", keep).door(local),
            stranger("with no way to sign in", sent(&good)),
            stranger("with no way to sign in, a program", sent(&good)).json(),
            stranger("at a provider", sent(&good)).door(provider),
        ])
        .await
    );
}

#[tokio::test]
async fn back_from_the_provider() {
    let state = Proof(SECRET).of_state("room/slots");
    let others = Proof("another").of_state("room/slots");
    let back = |code: &str, state: &str| {
        let sent = with_secret(Sent::new("GET", "/operator/signed-in", &[]));
        sent.query("code", code).query("state", state)
    };
    let case =
        |title: &str, code: &str, state: &str| stranger(title, back(code, state)).door(provider);
    insta::assert_snapshot!(
        responses([
            case("with a code", "c1", &state),
            case("a code that is not good", "c2", &state),
            case("no code", "", &state),
            case("no code, a program", "", &state).json(),
            case("the state of another browser", "c1", &others),
            case("the state of another browser, a program", "c1", &others).json(),
            case("no cookie", "c1", &state).header("Cookie", "theme=dark"),
            case("a customer", "c1", &state).door(|| giving(token("ada", "openid customer"))),
            case("on the local cloud", "c1", &state).door(local),
            case("with no way to sign in, a program", "c1", &state)
                .door(|| SignInMethod::Closed)
                .json(),
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
