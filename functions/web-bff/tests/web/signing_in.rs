//! Signing in and out, on the local cloud and elsewhere.

use crate::support::{
    BOOKING, SECRET, SLOT, Sent, SignInMethod, World, down, hidden_fields, sent_to, well,
};
use bff::memory::{Memory, Reply};
use bff::pages::provider::OneToken;
use bff::pages::session::Proof;

/// What the sign-in page gives a browser: its cookie, and what belongs in the form.
async fn at_the_door<S: bff::invoke::Invoke>(world: &World<S>) -> String {
    let page = world.send(Sent::get("/web/sign-in").query("back", "bookings")).await;
    assert_eq!(page.status_code, 200, "{}", page.body);
    let cookie = format!("{}={SECRET}; Max-Age=900; HttpOnly; SameSite=Lax", world.signing_in());
    assert!(page.headers["Set-Cookie"].starts_with(&cookie), "{}", page.headers["Set-Cookie"]);
    let fields = hidden_fields(&page.body, "./sign-in");
    assert_eq!(fields["back"], "bookings");
    fields["proof"].clone()
}

fn signing_in<S: bff::invoke::Invoke>(world: &World<S>, fields: &[(&str, &str)]) -> Sent {
    let sent = Sent::new("POST", "/web/sign-in", &[]);
    sent.cookie(&world.signing_in(), SECRET).fields(fields)
}

#[tokio::test]
async fn on_a_local_cloud_a_button_signs_a_customer_in() {
    let world = World::new(Memory::new(well));
    let proof = at_the_door(&world).await;
    let fields = [("proof", proof.as_str()), ("back", "bookings"), ("name", " grace ")];
    let answer = world.send(signing_in(&world, &fields)).await;
    assert_eq!(sent_to(&answer), "./bookings");
    let cookie = &answer.headers["Set-Cookie"];
    assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    let token = cookie.split(['=', ';']).nth(1).unwrap();
    let page = world.send(Sent::get("/web/bookings").cookie(&world.session(), token)).await;
    assert!(page.status_code == 200 && page.body.contains("grace"), "{}", page.body);
}

#[tokio::test]
async fn an_invalid_name_and_a_form_from_another_site_do_not_sign_in() {
    let world = World::new(Memory::new(well));
    let proof = at_the_door(&world).await;
    for name in ["", "a b", "<script>", "-a"] {
        let fields = [("proof", proof.as_str()), ("name", name)];
        let answer = world.send(signing_in(&world, &fields)).await;
        assert_eq!(answer.status_code, 400);
        assert!(!answer.headers.contains_key("Set-Cookie"));
        assert!(
            answer.body.contains("A name has 1 to 64 letters")
                && !answer.body.contains("<script>\"")
        );
    }
    let good = [("proof", proof.as_str()), ("name", "grace")];
    let without_cookie = Sent::new("POST", "/web/sign-in", &[]).fields(&good);
    for sent in [
        without_cookie,
        signing_in(&world, &[("name", "grace")]),
        signing_in(&world, &[("proof", "x"), ("name", "grace")]),
        signing_in(&world, &good).header("Origin", "https://evil.example"),
    ] {
        let answer = world.send(sent).await;
        assert_eq!(answer.status_code, 403);
        assert!(!answer.headers.contains_key("Set-Cookie"));
    }
}

#[tokio::test]
async fn outside_of_a_local_cloud_no_button_signs_a_customer_in() {
    for door in [SignInMethod::Closed, SignInMethod::Provider(OneToken::default())] {
        let world = World::with(Memory::new(well), door);
        let fields = [("proof", Proof(SECRET).of_form()), ("name", "grace".to_owned())];
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(world.send(signing_in(&world, &fields)).await.status_code, 404);
        let page = world.send(Sent::get("/web/sign-in")).await;
        assert!(!page.body.contains("name=\"name\""), "{}", page.body);
        assert!(
            page.headers["Set-Cookie"].contains("__Host-")
                && page.headers["Set-Cookie"].contains("Secure")
        );
    }
}

fn provider(code: &str, token: &str) -> SignInMethod {
    let verifier = Proof(SECRET).verifier();
    SignInMethod::Provider(OneToken { code: code.to_owned(), verifier, token: token.to_owned() })
}

#[tokio::test]
async fn a_provider_signs_people_in_and_sends_them_back() {
    let world = World::with(Memory::new(well), provider("c1", "good"));
    let go = Sent::get("/web/sign-in").query("go", "provider").query("back", "bookings");
    let answer = world.send(go).await;
    let to = sent_to(&answer).to_owned();
    let redirect = "redirect_uri=https%3A%2F%2Fa1b2c3d4e5.execute-api.us-east-1.amazonaws.com%2Fv1%2Fweb%2Fsigned-in";
    for part in [
        "https://id.example/authorize?response_type=code",
        "client_id=web",
        redirect,
        "scope=openid%20customer",
        &format!("code_challenge={}", Proof(SECRET).challenge()),
        "code_challenge_method=S256",
    ] {
        assert!(to.contains(part), "{part}: {to}");
    }
    assert!(!to.contains(SECRET) && !to.contains(&Proof(SECRET).verifier()));
    let state = to.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let back = Sent::get("/web/signed-in").cookie(&world.signing_in(), SECRET);
    let back = back.query("code", "c1").query("state", &state).query("session_state", "any");
    let answer = world.send(back).await;
    assert_eq!(sent_to(&answer), "./bookings");
    let cookie = &answer.headers["Set-Cookie"];
    assert!(cookie.starts_with("__Host-parkade-session=") && cookie.contains("Max-Age=600"));
    let token = cookie.split(['=', ';']).nth(1).unwrap();
    let page = world.send(Sent::get("/web").cookie(&world.session(), token)).await;
    assert_eq!(page.status_code, 200);
}

#[tokio::test]
async fn a_redirect_with_another_state_does_not_sign_in() {
    let state = Proof(SECRET).of_state("bookings");
    let others = Proof("another").of_state("bookings");
    for (code, state, cookie, status) in [
        ("c1", others.as_str(), SECRET, 403),
        ("c1", "", SECRET, 403),
        ("c1", state.as_str(), "another", 403),
        ("c2", state.as_str(), SECRET, 401),
        ("", state.as_str(), SECRET, 401),
    ] {
        let world = World::with(Memory::new(well), provider("c1", "good"));
        let sent = Sent::get("/web/signed-in").cookie(&world.signing_in(), cookie);
        let answer = world.send(sent.query("code", code).query("state", state)).await;
        assert_eq!(answer.status_code, status, "{code} {state} {cookie}");
        assert!(!answer.headers.contains_key("Set-Cookie"));
    }
    // A token that the provider gave, but that opens nothing here.
    let world = World::with(Memory::new(well), provider("c1", "not a token"));
    let sent = Sent::get("/web/signed-in").cookie(&world.signing_in(), SECRET);
    let answer = world.send(sent.query("code", "c1").query("state", &state)).await;
    assert_eq!(answer.status_code, 401);
    assert!(answer.body.contains("does not open these pages"));
}

#[tokio::test]
async fn signing_out_forgets_the_token() {
    let world = World::new(Memory::new(well));
    let answer = world.form(Sent::new("POST", "/web/sign-out", &[]), &[]).await;
    assert_eq!(sent_to(&answer), "sign-in");
    assert!(answer.headers["Set-Cookie"].starts_with("parkade-session=; Max-Age=0;"));
}

// ---- A session that expires while a form is filled in ----------------------------------------------------------------

/// Sends a form without a session, as its browser does, and signs in; answers where that leads, and the cookie of the
/// browser that is about to sign in.
async fn sign_in_after<S: bff::invoke::Invoke>(
    world: &World<S>,
    (sent, keep): (Sent, &str),
    fields: &[(&str, &str)],
) -> (String, String) {
    let answer = world.send(sent.fields(fields)).await;
    // The browser sends the same form to the sign-in page.
    assert_eq!(answer.status_code, 307, "{}", answer.body);
    let to = &answer.headers["Location"];
    assert!(to.ends_with(&format!("sign-in?keep={}", keep.replace('/', "%2F"))), "{to}");
    let again = Sent::new("POST", "/web/sign-in", &[]).query("keep", keep).fields(fields);
    let answer = world.send(again).await;
    let page = sent_to(&answer).to_owned();
    let cookie = answer.headers["Set-Cookie"].clone();
    let (name, value) =
        cookie.split(';').next().and_then(|it| it.split_once('=')).expect("a cookie");
    assert_eq!(name, world.signing_in());
    let value = value.to_owned();

    let back = page.split_once("?back=").map_or("", |it| it.1).replace("%2F", "/");
    let at_the_door = Sent::get("/web/sign-in").cookie(&world.signing_in(), &value);
    let at_the_door = if back.is_empty() { at_the_door } else { at_the_door.query("back", &back) };
    let shown = world.send(at_the_door).await;
    assert!(shown.body.contains("what you entered is kept"), "{}", shown.body);
    let proof = hidden_fields(&shown.body, "./sign-in")["proof"].clone();
    let form = [("proof", proof.as_str()), ("back", back.as_str()), ("name", "ada")];
    let form =
        Sent::new("POST", "/web/sign-in", &[]).cookie(&world.signing_in(), &value).fields(&form);
    (sent_to(&world.send(form).await).to_owned(), value)
}

/// The page that is shown after that.
async fn resumed<S: bff::invoke::Invoke>(world: &World<S>, sent: Sent, kept: &str) -> String {
    let cookies = format!("{}; {}={kept}", world.ada(), world.signing_in());
    let answer = world.send(sent.query("resume", "form").cookie(&world.session(), &cookies)).await;
    assert_eq!(answer.status_code, 200, "{}", answer.body);
    answer.body
}

#[tokio::test]
async fn a_booking_that_is_sent_after_the_session_expired_is_filled_in_again_after_signing_in() {
    let world = World::new(Memory::new(well));
    let fields =
        [("proof", "old"), ("key", "mine"), ("slot", SLOT), ("pay", "card"), ("token", "tok_slow")];
    let sent = (Sent::new("POST", "/web/bookings", &[]), "bookings");
    let (to, kept) = sign_in_after(&world, sent, &fields).await;
    assert_eq!(to, "./?resume=form");
    assert!(world.web.services.asked().is_empty(), "nothing is carried out before that");
    let page = resumed(&world, Sent::get("/web"), &kept).await;
    assert!(page.contains("<details open>") && page.contains("Your session had expired"), "{page}");
    assert!(page.contains("value=\"tok_slow\" selected"), "{page}");
    let form = hidden_fields(&page, "./bookings");
    assert_eq!((form["key"].as_str(), form["slot"].as_str()), ("mine", SLOT));
    assert!(Proof(&world.ada()).is_of_form(&form["proof"]), "the form is one of the new session");
}

#[tokio::test]
async fn a_payment_that_is_sent_after_the_session_expired_is_filled_in_again_after_signing_in() {
    let world = World::new(Memory::new(well));
    let fields = [("key", "mine"), ("slot", SLOT), ("amount", "12.34"), ("token", "tok_slow")];
    let keep = format!("bookings/{BOOKING}/payments");
    let sent = (Sent::booking("POST", "/payments"), keep.as_str());
    let (to, kept) = sign_in_after(&world, sent, &fields).await;
    assert_eq!(to, format!("./bookings/{BOOKING}?resume=form"));
    let page = resumed(&world, Sent::booking("GET", ""), &kept).await;
    assert!(
        page.contains("value=\"12.34\"") && page.contains("value=\"tok_slow\" selected"),
        "{page}"
    );
    assert!(page.contains("Your session had expired"), "{page}");
    let form = hidden_fields(&page, &format!("../bookings/{BOOKING}/payments"));
    assert_eq!(form["key"], "mine");
    // It is a form of its page alone, and of a page that says so.
    assert!(!world.by_ada(Sent::booking("GET", "")).await.body.contains("12.34"));
    assert!(!resumed(&world, Sent::get("/web"), &kept).await.contains("Your session had expired"));
}

#[tokio::test]
async fn a_form_of_another_site_or_one_that_no_page_fills_in_again_is_not_kept() {
    let world = World::new(Memory::new(|_: &str, _: &serde_json::Value| -> Reply { down() }));
    let fields = [("key", "k"), ("slot", SLOT), ("pay", "invoice")];
    let post =
        |keep: &str| Sent::new("POST", "/web/sign-in", &[]).query("keep", keep).fields(&fields);
    let answer = world.send(post("bookings").header("Origin", "https://evil.example")).await;
    assert_eq!(answer.status_code, 403);
    let answer = world.send(post("//evil.example")).await;
    assert_eq!(sent_to(&answer), "sign-in");
    assert!(!answer.headers["Set-Cookie"].contains('~'), "{}", answer.headers["Set-Cookie"]);
    // A confirmation has nothing that would have to be filled in again.
    let answer = world.send(Sent::booking("POST", "/cancel").fields(&[])).await;
    assert_eq!(sent_to(&answer), format!("../../sign-in?back=bookings%2F{BOOKING}"));
}
