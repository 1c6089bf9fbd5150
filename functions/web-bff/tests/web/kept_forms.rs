//! A form whose session has expired, or was renewed, while it was filled in.

use bff::memory::{Memory, Reply};
use pages::csrf_token;
use serde_json::Value;

use crate::support::{
    BOOKING, Received, Routes as _, SECRET, SLOT, Sent, World, down, hidden_fields, token, well,
};

type Services = Memory<fn(&str, &Value) -> Reply>;

fn world() -> World<Services> {
    World::new(Memory::new(well as fn(&str, &Value) -> Reply))
}

fn book(csrf: &str) -> Sent {
    let fields =
        [("proof", csrf), ("key", "mine"), ("slot", SLOT), ("pay", "card"), ("token", "tok_slow")];
    Sent::new("POST", "/web/bookings", &[]).fields(&fields)
}

fn pay(csrf: &str) -> Sent {
    let fields = [
        ("proof", csrf),
        ("key", "mine"),
        ("slot", SLOT),
        ("amount", "12.34"),
        ("token", "tok_slow"),
    ];
    Sent::booking("POST", "/payments").fields(&fields)
}

/// The kept form as the browser has it.
fn kept(world: &World<Services>, response: &Received) -> String {
    response.cookie(&world.cookie("-form")).expect("the form is kept").to_owned()
}

/// Signs in under this name, in the browser that keeps this form; returns where that leads.
async fn sign_in(world: &World<Services>, name: &str, back: &str, kept: &str) -> Received {
    let page = Sent::get("/web/sign-in").query("back", back);
    let page = if back.is_empty() { Sent::get("/web/sign-in") } else { page };
    let with_cookies =
        |sent: Sent| sent.cookie(&world.csrf(), SECRET).cookie(&world.cookie("-form"), kept);
    let shown = world.send(with_cookies(page)).await;
    assert!(shown.body.contains("what you entered is kept"), "{}", shown.body);
    let csrf = hidden_fields(&shown.body, "./sign-in")["proof"].clone();
    let fields = [("proof", csrf.as_str()), ("back", back), ("name", name)];
    world.send(with_cookies(Sent::new("POST", "/web/sign-in", &[]).fields(&fields))).await
}

async fn resumed(world: &World<Services>, page: Sent, kept: &str) -> String {
    let sent = page.query("resume", "form").cookie(&world.cookie("-form"), kept);
    let response = world.by_ada(sent).await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    response.body
}

#[tokio::test]
async fn a_booking_that_is_sent_after_the_session_expired_is_filled_in_again_after_signing_in() {
    let world = world();
    let response = world.send(book(&csrf_token(SECRET, "ada"))).await;
    assert_eq!(response.see_other(), "./sign-in");
    let kept = kept(&world, &response);
    assert!(world.services.calls().is_empty(), "nothing is carried out before that");
    assert_eq!(sign_in(&world, "ada", "", &kept).await.see_other(), "./?resume=form");
    let page = resumed(&world, Sent::get("/web"), &kept).await;
    assert!(page.contains("<details open>") && page.contains("Your session had expired"), "{page}");
    assert!(page.contains("value=\"tok_slow\" selected"), "{page}");
    let form = hidden_fields(&page, "./bookings");
    assert_eq!((form["key"].as_str(), form["slot"].as_str()), ("mine", SLOT));
    assert_eq!(form["proof"], csrf_token(SECRET, "ada"));
}

#[tokio::test]
async fn a_payment_that_is_sent_after_the_session_expired_is_filled_in_again_after_signing_in() {
    let world = world();
    let response = world.send(pay(&csrf_token(SECRET, "ada"))).await;
    assert_eq!(response.see_other(), format!("../../sign-in?back=bookings%2F{BOOKING}"));
    let kept = kept(&world, &response);
    let back = format!("bookings/{BOOKING}");
    let response = sign_in(&world, "ada", &back, &kept).await;
    assert_eq!(response.see_other(), format!("./{back}?resume=form"));
    let page = resumed(&world, Sent::booking("GET", ""), &kept).await;
    assert!(
        page.contains("value=\"12.34\"") && page.contains("value=\"tok_slow\" selected"),
        "{page}"
    );
    assert!(page.contains("Your session had expired"), "{page}");
    // Only its own page fills it in, and only when the address says so.
    assert!(!world.by_ada(Sent::booking("GET", "")).await.body.contains("12.34"));
    assert!(!resumed(&world, Sent::get("/web"), &kept).await.contains("Your session had expired"));
}

#[tokio::test]
async fn a_kept_form_is_shown_only_to_its_user() {
    let world = world();
    let kept = kept(&world, &world.send(book(&csrf_token(SECRET, "grace"))).await);
    let response = sign_in(&world, "ada", "", &kept).await;
    assert_eq!(response.see_other(), "./");
    assert_eq!(response.cookie(&world.cookie("-form")), Some(""), "it is dropped");
    assert!(!resumed(&world, Sent::get("/web"), &kept).await.contains("Your session had expired"));
}

#[tokio::test]
async fn a_kept_form_is_forgotten_once_it_was_sent_and_when_its_user_signs_out() {
    let world = world();
    let kept = kept(&world, &world.send(book(&csrf_token(SECRET, "ada"))).await);
    let with_form = |sent: Sent| world.signed_in(sent).cookie(&world.cookie("-form"), &kept);
    let csrf = csrf_token(SECRET, "ada");
    let response = world.send(with_form(book(&csrf))).await;
    assert!(response.see_other().starts_with("./bookings/"));
    assert_eq!(response.cookie(&world.cookie("-form")), Some(""));
    // Another form does not use it up.
    let response = world.send(with_form(pay(&csrf))).await;
    assert_eq!(response.cookie(&world.cookie("-form")), None);
    let sign_out = Sent::new("POST", "/web/sign-out", &[]).fields(&[("proof", &csrf)]);
    let response = world.send(with_form(sign_out)).await;
    assert_eq!(response.cookie(&world.cookie("-form")), Some(""));
}

#[tokio::test]
async fn a_form_is_still_good_when_its_user_has_signed_in_again_in_another_tab() {
    let world = world();
    let renewed = token(&world.issuer, "ada", "customer", 1_200);
    let sent = book(&csrf_token(SECRET, "ada"));
    let sent = sent.cookie(&world.session(), &renewed).cookie(&world.csrf(), SECRET);
    assert!(world.send(sent).await.see_other().starts_with("./bookings/"));
}

#[tokio::test]
async fn a_form_from_before_a_new_start_of_the_browser_is_shown_again_and_not_lost() {
    let world = world();
    let response =
        world.by_ada(book(&csrf_token("an earlier secret of this browser", "ada"))).await;
    assert_eq!(response.see_other(), "./?resume=form");
    let kept = kept(&world, &response);
    assert!(world.services.calls().is_empty());
    let page = resumed(&world, Sent::get("/web"), &kept).await;
    assert!(page.contains("value=\"tok_slow\" selected"), "{page}");
    // That of another user is refused.
    let response = world.by_ada(book(&csrf_token(SECRET, "grace"))).await;
    assert_eq!(response.status_code, 403);
}

#[tokio::test]
async fn a_confirmation_from_an_earlier_session_of_the_same_user_leads_back_to_its_page() {
    let world = world();
    let cancel = |csrf: &str| Sent::booking("POST", "/cancel").fields(&[("proof", csrf)]);
    let earlier = "an earlier secret of this browser";
    let response = world.by_ada(cancel(&csrf_token(earlier, "ada"))).await;
    assert_eq!(response.see_other(), format!("../../bookings/{BOOKING}"));
    assert!(response.cookies().is_empty(), "there is nothing to keep");
    // That of another user, or of a page that is not ours, is refused.
    for refused in [csrf_token(earlier, "grace"), csrf_token(SECRET, "grace"), String::new()] {
        assert_eq!(world.by_ada(cancel(&refused)).await.status_code, 403);
    }
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn a_form_of_another_site_or_one_that_no_page_fills_in_again_is_not_kept() {
    let world = World::new(Memory::new(|_: &str, _: &Value| -> Reply { down() }));
    let csrf = csrf_token(SECRET, "ada");
    let response = world.send(book(&csrf).header("Origin", "https://evil.example")).await;
    assert_eq!((response.see_other(), response.cookies().len()), ("./sign-in", 0));
    // A confirmation has nothing that would have to be filled in again.
    let response = world.send(Sent::booking("POST", "/cancel").fields(&[("proof", &csrf)])).await;
    assert_eq!(response.see_other(), format!("../../sign-in?back=bookings%2F{BOOKING}"));
    assert!(response.cookies().is_empty());
}
