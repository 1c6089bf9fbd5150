//! Every page and every form, with events as the gateway sends them.

mod support;

use bff::memory::{Memory, Reply};
use serde_json::{Value, json};
use support::{
    AT, BOOKING, CORRELATION, Door3, FRESH, HTML, SECRET, SLOT, Sent, World, bill, booking, down,
    event, hidden_fields, history, json_of, not_found, problem, rejected, sent_to, slot, token,
    well,
};
use web_bff::memory::OneToken;
use web_bff::session::Proof;

const FORMS: [&str; 3] = ["/payments", "/cancel", "/check-out"];

fn pay_fields(amount: &str) -> [(&'static str, String); 4] {
    [
        ("key", FRESH.to_owned()),
        ("slot", SLOT.to_owned()),
        ("amount", amount.to_owned()),
        ("token", "tok_visa".to_owned()),
    ]
}

async fn pay<S: bff::invoke::Invoke>(
    world: &World<S>,
    amount: &str,
) -> api_gateway::proxy::ProxyAnswer {
    let fields = pay_fields(amount);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.form(Sent::booking("POST", "/payments"), &fields).await
}

fn book_fields<'a>(pay: &'a str, token: &'a str) -> [(&'static str, &'a str); 4] {
    [("key", FRESH), ("slot", SLOT), ("pay", pay), ("token", token)]
}

// ---- The first page ------------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_first_page_shows_free_slots_with_a_form_for_each() {
    let world = World::new(Memory::new(well));
    let answer = world.by_ada(Sent::get("/web")).await;
    assert_eq!(answer.status_code, 200, "{}", answer.body);
    assert_eq!(answer.headers["Content-Type"], "text/html; charset=utf-8");
    let page = &answer.body;
    assert!(page.contains("Level 2, 14") && page.contains("Free"), "{page}");
    let fields = hidden_fields(page, "./bookings");
    assert_eq!(fields["slot"], SLOT);
    assert_eq!(fields["key"], format!("{FRESH}.{SLOT}"));
    assert!(Proof(&world.ada()).is_of_form(&fields["proof"]));
    let asked = world.front.services.asked();
    let slots = asked.iter().find(|(function, _)| function == "parking-query").unwrap();
    assert_eq!(slots.1["status"], "available");
}

#[tokio::test]
async fn the_first_page_goes_on_by_cursor_and_shows_all_slots_on_demand() {
    let world = World::new(Memory::new(well));
    let sent = Sent::get("/web").query("show", "all").query("cursor", "c1");
    let page = world.by_ada(sent).await.body;
    assert!(page.contains("?show=all&amp;cursor=c2"), "{page}");
    let asked = world.front.services.asked();
    let slots = asked.iter().find(|(function, _)| function == "parking-query").unwrap();
    assert_eq!((&slots.1["status"], &slots.1["cursor"]), (&Value::Null, &json!("c1")));
    for (name, value) in [("show", "some"), ("colour", "red"), ("cursor", "")] {
        let answer = world.by_ada(Sent::get("/web").query(name, value)).await;
        assert_eq!(answer.status_code, 400, "{name}={value}");
    }
}
