//! `/web/sign-in`, `/web/signed-in` and `/web/sign-out`.

use bff::memory::Memory;
use bff::pages::provider::OneToken;
use bff::pages::session::Proof;

use super::Sender::{CustomerByBearer, SignedOut};
use super::{Case, access, all_down, case, record, responses};
use crate::support::{BOOKING, SECRET, SLOT, Sent, SignInMethod, World, response, well};

/// Names of the cookie of a browser that is about to sign in: on the local cloud, and elsewhere.
const SIGNING_IN: &str = "parkade-signing-in";
const SIGNING_IN_BY_HTTPS: &str = "__Host-parkade-signing-in";
const FOREIGN: &str = "https://evil.example";

fn provider(code: &str, token: &str) -> SignInMethod {
    let verifier = Proof(SECRET).verifier();
    SignInMethod::Provider(OneToken { code: code.to_owned(), verifier, token: token.to_owned() })
}

fn open_id() -> SignInMethod {
    provider("c1", "good")
}

fn closed() -> SignInMethod {
    SignInMethod::Closed
}

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
            page("with a secret already", get().cookie(SIGNING_IN, SECRET)),
            page("with a slash at the end", get().path("/web/sign-in/")),
            case("signed in already", get()),
            page("a program", get()).json(),
            page("an unknown parameter", get().query("colour", "red")),
            page("an unknown parameter, a program", get().query("colour", "red")).json(),
            page("a parameter twice, a program", get().twice("back", ["a", "b"])).json(),
            page("to keep by GET, a program", get().query("keep", "bookings")).json(),
            page("at a provider", get()).door(open_id),
            page("at a provider, with a page to return to", back("bookings")).door(open_id),
            page("to the provider", back("bookings").query("go", "provider")).door(open_id),
            page("to the provider, with a secret already", get().query("go", "provider"))
                .header("Cookie", "__Host-parkade-signing-in=mine")
                .door(open_id),
            page("with no way to sign in", get()).door(closed),
        ])
        .await
    );
}

fn post(fields: &[(&str, &str)]) -> Sent {
    Sent::new("POST", "/web/sign-in", &[]).cookie(SIGNING_IN, SECRET).fields(fields)
}

#[tokio::test]
async fn under_a_name() {
    let proof = Proof(SECRET).of_form();
    let others = Proof("another").of_form();
    let good = [("proof", proof.as_str()), ("back", "bookings"), ("name", "grace")];
    let named = |name| post(&[("proof", proof.as_str()), ("name", name)]);
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
                post(&[("proof", others.as_str()), good[2]])
            ),
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
            page("at a provider", post(&good)).door(open_id),
            page("with no way to sign in", post(&good)).door(closed),
            page("with no way to sign in, a program", post(&good)).door(closed).json(),
        ])
        .await
    );
}

const BOOK: [(&str, &str); 4] =
    [("proof", "old"), ("key", "mine"), ("slot", SLOT), ("pay", "invoice")];

#[tokio::test]
async fn a_form_that_is_kept() {
    let keep = |to: &str| Sent::new("POST", "/web/sign-in", &[]).query("keep", to).fields(&BOOK);
    let pay = format!("bookings/{BOOKING}/payments");
    let long = "x".repeat(4000);
    let larger = "x".repeat(64 * 1024);
    insta::assert_snapshot!(
        responses([
            page("of the first page", keep("bookings")),
            page("of a booking", keep(&pay)),
            page("with a secret already", keep("bookings").cookie(SIGNING_IN, SECRET)),
            page("a program", keep("bookings")).json(),
            page("one that no page can show again", keep(&format!("bookings/{BOOKING}/cancel"))),
            page("of another site", keep("//evil.example")),
            page("from another origin", keep("bookings")).header("Origin", FOREIGN),
            page("from another origin, a program", keep("bookings"))
                .header("Origin", FOREIGN)
                .json(),
            page("too long for a cookie", keep("bookings").fields(&[("key", &long)])),
            page("too large, a program", keep("bookings").fields(&[("key", &larger)])).json(),
            page("a field twice, a program", keep("bookings").fields(&[("a", "1"), ("a", "2")]))
                .json(),
            page("another media type", keep("bookings")).header("Content-Type", "text/plain"),
            page("another parameter too", keep("bookings").query("back", "bookings")),
            page("kept twice, a program", keep("x").twice("keep", ["bookings", "bookings"])).json(),
            page("at a provider", keep("bookings")).door(open_id),
        ])
        .await
    );
}

/// All that a browser sees whose session expires while a form is filled in.
#[tokio::test]
async fn a_form_that_is_shown_again() {
    let world = World::new(Memory::new(well));
    let mut record = record();
    let sent = Sent::new("POST", "/web/bookings", &[]).fields(&BOOK);
    record.add("the form without a session", &response(world.send(sent).await));
    let sent = Sent::new("POST", "/web/sign-in", &[]).query("keep", "bookings").fields(&BOOK);
    let kept = response(world.send(sent).await);
    let cookie = kept.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let cookie = cookie.map(|(_, value)| value.as_str()).expect("a cookie");
    let value = cookie.split(';').next().and_then(|it| it.split_once('=')).expect("a value").1;
    record.add("the form at the sign-in page", &kept);
    let sent = get().cookie(SIGNING_IN, value);
    record.add("the sign-in page", &response(world.send(sent).await));
    let proof = Proof(SECRET).of_form();
    let fields = [("proof", proof.as_str()), ("back", ""), ("name", "ada")];
    let sent = Sent::new("POST", "/web/sign-in", &[]).cookie(SIGNING_IN, value).fields(&fields);
    record.add("signing in", &response(world.send(sent).await));
    let both = format!("{}; {SIGNING_IN}={value}", world.ada());
    let resumed = |sent: Sent| sent.query("resume", "form").cookie(&world.session(), &both);
    record.add("the form again", &response(world.send(resumed(Sent::get("/web"))).await));
    let other = resumed(Sent::booking("GET", ""));
    record.add("another page", &response(world.send(other).await));
    insta::assert_snapshot!(record.into_text());
}

#[tokio::test]
async fn back_from_the_provider() {
    let state = Proof(SECRET).of_state("bookings");
    let foreign = Proof(SECRET).of_state("//evil.example");
    let others = Proof("another").of_state("bookings");
    let back = |code: &str, state: &str| {
        let sent = Sent::get("/web/signed-in").cookie(SIGNING_IN_BY_HTTPS, SECRET);
        sent.query("code", code).query("state", state).query("session_state", "any")
    };
    let page = |title: &str, sent| page(title, sent).door(open_id);
    let bare = Sent::get("/web/signed-in").query("code", "c1").query("state", &state);
    insta::assert_snapshot!(
        responses([
            page("with a code", back("c1", &state)),
            page("with a code, a program", back("c1", &state)).json(),
            page("with another site to return to", back("c1", &foreign)),
            page("a code that is not good", back("c2", &state)),
            page("a code that is not good, a program", back("c2", &state)).json(),
            page("no code", back("", &state)),
            page("the state of another browser", back("c1", &others)),
            page("no state", back("c1", "")),
            page("no state, a program", back("c1", "")).json(),
            page("no cookie", bare.clone()),
            page("a parameter twice", back("c1", &state).twice("code", ["c2", "c1"])),
            page("a token that opens nothing", back("c1", &state)).door(|| provider("c1", "x")),
            page("on the local cloud", bare.clone()).door(|| SignInMethod::Local),
            page("on the local cloud, a program", bare.clone()).door(|| SignInMethod::Local).json(),
            page("with no way to sign in", bare).door(closed),
        ])
        .await
    );
}

#[tokio::test]
async fn signing_out() {
    let post = || Sent::new("POST", "/web/sign-out", &[]);
    let cases = access::form(post, &[]).into_iter();
    let by_https = case("by https", post()).fields(&[]).door(closed);
    let by_https_and_bearer =
        case("by https and bearer token", post()).by(CustomerByBearer).fields(&[]).door(closed);
    insta::assert_snapshot!(responses(cases.chain([by_https, by_https_and_bearer])).await);
}

#[tokio::test]
async fn the_address_for_signing_out() {
    insta::assert_snapshot!(responses(access::address_of_form("/web/sign-out", &[])).await);
}
