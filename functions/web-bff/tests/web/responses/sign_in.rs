//! `/web/sign-in`, `/web/signed-in` and `/web/sign-out`; and forms that are kept until their user has signed in.

use api_gateway::issuer::Issuer;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bff::memory::Memory;
use pages::open_id::{MemoryProvider, Tokens};
use pages::{CSRF_FIELD, csrf_token};
use serde_json::json;

use super::CsrfField::Missing;
use super::Sender::{CustomerByBearer, SignedOut};
use super::{Case, SignIn, access, all_down, case, record, responses};
use crate::support::{BOOKING, Received, Routes as _, SECRET, SLOT, Sent, World, now, token, well};

/// The cookies on the local cloud.
const CSRF: &str = "parkade-session-csrf";
const KEPT_FORM: &str = "parkade-session-form";
/// The cookie of an attempt to sign in at the provider, whose state is `s1`.
const ATTEMPT: &str = "__Host-parkade-session-attempt-s1";
const FOREIGN: &str = "https://evil.example";

/// What the provider says to the verifier `v1` and the code `c1`.
#[derive(Clone, Copy)]
pub(super) struct Said {
    /// The scope of ada's access token; `None`: the token is none.
    scope: Option<&'static str>,
    /// The user and the nonce of the id token.
    id: Option<(&'static str, &'static str)>,
}

/// That ada has signed in as a customer.
const GOOD: Said = Said { scope: Some("openid customer"), id: Some(("ada", "n1")) };

impl Said {
    pub(super) fn provider(self, issuer: &Issuer) -> MemoryProvider {
        let access = self.scope.map(|scope| token(issuer, "ada", scope, 600));
        let id = self.id.map(|(user, nonce)| {
            let claims = json!({
                "iss": "https://issuer.example", "aud": "web", "sub": user, "nonce": nonce,
                "exp": now().as_second() + 600,
            });
            issuer.sign(&claims).expect("signed")
        });
        let access = access.unwrap_or_else(|| "x".to_owned());
        let tokens = Tokens { access, id: id.unwrap_or_default() };
        MemoryProvider { code: "c1".to_owned(), verifier: "v1".to_owned(), tokens }
    }
}

/// The cookie's value of an attempt that returns to this page.
fn attempt(back: &str) -> String {
    URL_SAFE_NO_PAD.encode(json!({"verifier": "v1", "nonce": "n1", "back": back}).to_string())
}

/// The pages of a platform whose people sign in at a provider.
const AT_PROVIDER: SignIn = SignIn::Provider(GOOD);

fn get() -> Sent {
    Sent::get("/web/sign-in")
}

fn page(title: &str, sent: Sent) -> Case {
    case(title, sent).by(SignedOut).with(all_down)
}

#[tokio::test]
async fn the_page() {
    let back = |to: &str| get().query("back", to);
    insta::assert_snapshot!(
        responses([
            page("on the local cloud", get()),
            page("with a page to return to", back("bookings")),
            page("with a booking to return to", back(&format!("bookings/{BOOKING}"))),
            page("with another site to return to", back("//evil.example")),
            page("with a provider that there is not", get().query("go", "provider")),
            page("with a secret already", get().cookie(CSRF, SECRET)),
            page("with a slash at the end", get().path("/web/sign-in/")),
            case("signed in already", get()),
            page("a program", get()).json(),
            page("an unknown parameter", get().query("colour", "red")),
            page("an unknown parameter, a program", get().query("colour", "red")).json(),
            page("a parameter twice, a program", get().twice("back", ["a", "b"])).json(),
            page("at a provider", get()).sign_in(AT_PROVIDER),
            page("at a provider, with a page to return to", back("bookings")).sign_in(AT_PROVIDER),
            page("to the provider", back("bookings").query("go", "provider")).sign_in(AT_PROVIDER),
            page("to the provider, in a second tab", get().query("go", "provider"))
                .header("Cookie", "__Host-parkade-session-attempt-s0=other")
                .sign_in(AT_PROVIDER),
            page("with no way to sign in", get()).sign_in(SignIn::None),
        ])
        .await
    );
}

fn post(fields: &[(&str, &str)]) -> Sent {
    Sent::new("POST", "/web/sign-in", &[]).cookie(CSRF, SECRET).fields(fields)
}

#[tokio::test]
async fn under_a_name() {
    let csrf = csrf_token(SECRET, "");
    let others = csrf_token("another", "");
    let of_user = csrf_token(SECRET, "ada");
    let good = [(CSRF_FIELD, csrf.as_str()), ("back", "bookings"), ("name", "grace")];
    let named = |name| post(&[(CSRF_FIELD, csrf.as_str()), ("name", name)]);
    let with = |field| post(&[good[0], good[2], field]);
    let long = "x".repeat(64 * 1024);
    insta::assert_snapshot!(
        responses([
            page("with a page to return to", post(&good)),
            page("without one", named(" grace ")),
            page("with another site to return to", with(("back", "//evil.example"))),
            page("a program", post(&good)).json(),
            page("from the own origin", post(&good)).header("Origin", access::OWN),
            page("an empty name", named("")),
            page("a name with markup", named("<script>")),
            page("a name with markup, a program", named("<script>")).json(),
            page("no name", post(&good[..2])),
            page("without a CSRF token", post(&good[1..])),
            page("without a CSRF token, a program", post(&good[1..])).json(),
            page(
                "with the CSRF token of another session",
                post(&[(CSRF_FIELD, others.as_str()), good[2]])
            ),
            page("with the CSRF token of a page", post(&[(CSRF_FIELD, of_user.as_str()), good[2]])),
            page("without a cookie", Sent::new("POST", "/web/sign-in", &[]).fields(&good)),
            page("from another origin", post(&good)).header("Origin", FOREIGN),
            page("from another site", post(&good)).header("Sec-Fetch-Site", "cross-site"),
            page("an unknown field", with(("colour", "red"))),
            page("an unknown field, a program", with(("colour", "red"))).json(),
            page("a field twice, a program", with(("name", "ada"))).json(),
            page("too large", with(("back", &long))),
            page("too large, a program", with(("back", &long))).json(),
            page("another media type", post(&good)).header("Content-Type", "text/plain"),
            page("JSON, a program", post(&good)).header("Content-Type", "application/json").json(),
            page("an unknown parameter", post(&good).query("colour", "red")),
            page("an unknown parameter, a program", post(&good).query("colour", "red")).json(),
            page("at a provider", post(&good)).sign_in(AT_PROVIDER),
            page("with no way to sign in", post(&good)).sign_in(SignIn::None),
            page("with no way to sign in, a program", post(&good)).sign_in(SignIn::None).json(),
        ])
        .await
    );
}

const BOOK: [(&str, &str); 3] = [("key", "mine"), ("slot", SLOT), ("pay", "invoice")];
const PAY: [(&str, &str); 4] =
    [("key", "mine"), ("slot", SLOT), ("amount", "12.34"), ("token", "tok_visa")];

fn book() -> Sent {
    Sent::new("POST", "/web/bookings", &[])
}

#[tokio::test]
async fn a_form_that_is_kept() {
    let form = |title: &str, sent: Sent| page(title, sent).fields(&BOOK);
    let pay = || Sent::booking("POST", "/payments");
    let long = "x".repeat(4000);
    let larger = "x".repeat(64 * 1024);
    insta::assert_snapshot!(
        responses([
            form("of the first page", book()),
            page("of a booking", pay()).fields(&PAY),
            form("without a CSRF token", book()).csrf(Missing),
            form("with a secret already", book().cookie(CSRF, SECRET)),
            form("beside one that is kept already", book().cookie(KEPT_FORM, "e30")),
            form("a program", book()).json(),
            form("any media type", book()).header("Accept", "*/*"),
            form("one that no page can show again", Sent::booking("POST", "/cancel")),
            form("from another origin", book()).header("Origin", FOREIGN),
            form("from another origin, a program", book()).header("Origin", FOREIGN).json(),
            form("from another site", book()).header("Sec-Fetch-Site", "cross-site"),
            form("too long for a cookie", book()).but("key", &long),
            form("too large", book()).but("key", &larger),
            form("too large, a program", book()).but("key", &larger).json(),
            form("a field twice", book()).and("a", "1").and("a", "2"),
            form("a field twice, a program", book()).and("a", "1").and("a", "2").json(),
            form("another media type", book()).header("Content-Type", "text/plain"),
            form("another parameter too", book().query("back", "bookings")),
            form("at a provider", book()).sign_in(AT_PROVIDER),
        ])
        .await
    );
}

/// All that a browser sees whose session expires while a form is filled in.
#[tokio::test]
async fn a_form_that_is_shown_again() {
    let mut record = record();
    let world = World::new(Memory::new(well));
    let csrf = csrf_token(SECRET, "ada");
    let form = || {
        let csrf = [(CSRF_FIELD, csrf.as_str())];
        book().fields(&csrf.into_iter().chain(BOOK).collect::<Vec<_>>())
    };
    let answer = world.send(form()).await;
    let kept = answer.cookie(KEPT_FORM).expect("the form is kept").to_owned();
    record.add("the form without a session", &answer);
    let with_cookies = |sent: Sent| sent.cookie(CSRF, SECRET).cookie(KEPT_FORM, &kept);
    // As the browser follows the redirect.
    let back = answer.see_other().split_once("?back=").map_or("", |it| it.1);
    let sign_in = if back.is_empty() { get() } else { get().query("back", back) };
    record.add("the sign-in page", &world.send(with_cookies(sign_in)).await);
    let on_another_way = with_cookies(get().query("back", &format!("bookings/{BOOKING}")));
    record.add("the sign-in page, on the way to another page", &world.send(on_another_way).await);
    let signing_in = |name: &str| {
        let csrf = csrf_token(SECRET, "");
        let fields = [(CSRF_FIELD, csrf.as_str()), ("back", back), ("name", name)];
        with_cookies(Sent::new("POST", "/web/sign-in", &[]).fields(&fields))
    };
    record.add("signing in", &world.send(signing_in("ada")).await);
    record.add("signing in under another name", &world.send(signing_in("grace")).await);
    let resumed = |sent: Sent| world.by_ada(sent.query("resume", "form").cookie(KEPT_FORM, &kept));
    record.add("the form again", &resumed(Sent::get("/web")).await);
    record.add("another page", &resumed(Sent::booking("GET", "")).await);
    let sent: Received = world.by_ada(form().cookie(KEPT_FORM, &kept)).await;
    record.add("the form with a session", &sent);
    insta::assert_snapshot!(record.into_text());
}

#[tokio::test]
async fn back_from_the_provider() {
    let returned = |code: &str, state: &str| {
        let sent = Sent::get("/web/signed-in").query("code", code).query("state", state);
        sent.query("session_state", "any")
    };
    let back = |code: &str| returned(code, "s1").cookie(ATTEMPT, &attempt("bookings"));
    let foreign = returned("c1", "s1").cookie(ATTEMPT, &attempt("//evil.example"));
    let refused = returned("", "s1").query("error", "access_denied");
    let page = |title: &str, sent| page(title, sent).sign_in(AT_PROVIDER);
    let saying = |said| SignIn::Provider(said);
    let bare = Sent::get("/web/signed-in").query("code", "c1").query("state", "s1");
    insta::assert_snapshot!(
        responses([
            page("with a code", back("c1")),
            page("with a code, a program", back("c1")).json(),
            page("with another site to return to", foreign),
            page(
                "with a code, and a form is kept",
                back("c1").cookie("__Host-parkade-session-form", "e30")
            ),
            page("a code that is not good", back("c2")),
            page("a code that is not good, a program", back("c2")).json(),
            page("no code", back("")),
            page("the provider refuses", refused.cookie(ATTEMPT, &attempt("bookings"))),
            page(
                "the state of another browser",
                returned("c1", "s2").cookie(ATTEMPT, &attempt("bookings"))
            ),
            page("no state", returned("c1", "").cookie(ATTEMPT, &attempt("bookings"))),
            page("no state, a program", returned("c1", "").cookie(ATTEMPT, &attempt("bookings")))
                .json(),
            page("no cookie", bare.clone()),
            page("a cookie that is none", bare.clone().cookie(ATTEMPT, "x")),
            page("a parameter twice", back("c1").twice("code", ["c2", "c1"])),
            page("a token that opens nothing", back("c1"))
                .sign_in(saying(Said { scope: None, ..GOOD })),
            page("a token of another scope", back("c1"))
                .sign_in(saying(Said { scope: Some("openid operator"), ..GOOD })),
            page("an id token of another attempt", back("c1"))
                .sign_in(saying(Said { id: Some(("ada", "n2")), ..GOOD })),
            page("an id token of another user", back("c1"))
                .sign_in(saying(Said { id: Some(("grace", "n1")), ..GOOD })),
            page("no id token", back("c1")).sign_in(saying(Said { id: None, ..GOOD })),
            page("on the local cloud", bare.clone()).sign_in(SignIn::Local),
            page("on the local cloud, a program", bare.clone()).sign_in(SignIn::Local).json(),
            page("with no way to sign in", bare).sign_in(SignIn::None),
        ])
        .await
    );
}

#[tokio::test]
async fn signing_out() {
    let post = || Sent::new("POST", "/web/sign-out", &[]);
    let cases = access::form(post, &[]).into_iter();
    let by_https = case("by https", post()).fields(&[]).sign_in(SignIn::None);
    let by_https_and_bearer = case("by https and bearer token", post())
        .by(CustomerByBearer)
        .fields(&[])
        .sign_in(SignIn::None);
    insta::assert_snapshot!(responses(cases.chain([by_https, by_https_and_bearer])).await);
}

#[tokio::test]
async fn the_address_for_signing_out() {
    insta::assert_snapshot!(responses(access::address_of_form("/web/sign-out", &[])).await);
}
