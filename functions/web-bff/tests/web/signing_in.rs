//! Signing in and out, on the local cloud and elsewhere.

use crate::support::{Entrance, SECRET, Sent, World, hidden_fields, sent_to, well};
use bff::memory::Memory;
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
async fn on_a_local_cloud_a_button_signs_anybody_in() {
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
async fn a_name_that_is_none_and_a_form_from_elsewhere_sign_nobody_in() {
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
async fn elsewhere_nobody_is_signed_in_by_a_button() {
    for door in [Entrance::Closed, Entrance::Provider(OneToken::default())] {
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

fn provider(code: &str, token: &str) -> Entrance {
    let verifier = Proof(SECRET).verifier();
    Entrance::Provider(OneToken { code: code.to_owned(), verifier, token: token.to_owned() })
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
async fn who_comes_back_with_something_else_is_not_signed_in() {
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
