//! Operators: open slots, close and reopen them, look at things, and have views made anew.

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::id::SlotId;
use cqrs::generation::ProjectionStateStore as _;
use futures::FutureExt as _;
use operator_bff::handlers::breakers::BREAKERS;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Ask, Client};
use crate::world::World;

fn operator(world: &World) -> Client<'_> {
    Client { world, subject: "operator".to_owned(), role: "operator" }
}

/// Opens the slots of the day.
pub(crate) async fn open(world: &World) -> Vec<SlotId> {
    let client = operator(world);
    let mut slots = Vec::new();
    for number in 0..world.plan.slots {
        let ask = Ask::new("POST", "/operator/slots").body(json!({ "name": format!("A{number}") }));
        let Some(heard) = client.insist(&ask).await else { continue };
        match heard.body["slotId"].as_str().and_then(|it| it.parse().ok()) {
            Some(slot_id) if heard.status == 201 => slots.push(slot_id),
            Some(_) | None => client.wrong(&ask, &heard),
        }
    }
    slots
}

/// What else is to do.
pub(super) async fn work(world: &World, slots: &[SlotId]) {
    tokio::join!(
        close_and_reopen(world, slots),
        rebuild(world),
        redrive(world),
        republish(world, slots),
        look(world),
        have_words(world),
    );
}

/// Forces circuits for a while, and takes the word back in the end.
async fn have_words(world: &World) {
    let client = operator(world);
    for _ in 0..world.plan.words {
        until(world, world.plan.calm_from).await;
        let (breaker, _) = world.dice.one_of(&BREAKERS);
        let word = *world.dice.one_of(&["open", "closed", "disabled"]);
        for ask in [
            Ask::new("POST", "/operator/circuit-breakers/{name}").body(json!({ "override": word })),
            Ask::new("POST", "/operator/circuit-breakers/{name}/reset"),
        ] {
            let ask = ask.with("name", breaker);
            let Some(heard) = client.insist(&ask).await else { continue };
            if heard.status != 200 || heard.body["name"] != *breaker {
                client.wrong(&ask, &heard);
            }
            sleep(world.dice.millis(0..=20_000)).await;
        }
    }
}

async fn until(world: &World, at_most: Duration) {
    let most = u64::try_from(at_most.as_millis()).unwrap_or(0);
    sleep(Duration::from_millis(world.dice.below(most))).await;
}

async fn close_and_reopen(world: &World, slots: &[SlotId]) {
    if slots.is_empty() {
        return;
    }
    let client = operator(world);
    for _ in 0..world.plan.closures {
        until(world, world.plan.arrivals / 2).await;
        let slot_id = world.dice.one_of(slots);
        for resource in ["/operator/slots/{slotId}/close", "/operator/slots/{slotId}/reopen"] {
            let ask = Ask::new("POST", resource).with("slotId", slot_id);
            let Some(heard) = client.insist(&ask).await else { return };
            if !matches!(heard.status, 200 | 409) {
                client.wrong(&ask, &heard);
            }
            sleep(world.dice.millis(0..=2_000)).await;
        }
    }
}

async fn rebuild(world: &World) {
    let client = operator(world);
    for _ in 0..world.plan.rebuilds {
        // While customers come: a rebuild beside which nothing is written is no test.
        until(world, world.plan.arrivals + Duration::from_secs(2)).await;
        let name = *world.dice.one_of(&["bookings", "slots"]);
        let ask = if world.dice.below(4) == 0 {
            Ask::new("POST", "/operator/projections/{name}/rollback")
                .with("name", name)
                .body(json!({ "generation": world.dice.within(1..=3) }))
        } else {
            Ask::new("POST", "/operator/projections/{name}/rebuild").with("name", name)
        };
        // Once: whoever asks again gets what is under way.
        if let Some(heard) = client.send(&ask).await
            && !matches!(heard.status, 200 | 202 | 409 | 503)
        {
            client.wrong(&ask, &heard);
        }
    }
}

/// Whether the cause is gone or not.
async fn redrive(world: &World) {
    for _ in 0..world.plan.redrives {
        until(world, world.plan.calm_from).await;
        redrive_all(world).await;
    }
}

/// Looks at all dead letters and brings them back; answers how many there were.
pub(crate) async fn redrive_all(world: &World) -> u64 {
    let client = operator(world);
    let ask = Ask::new("GET", "/operator/dead-letters");
    let Some(heard) = client.insist(&ask).await else { return 0 };
    let Some(items) = heard.body["items"].as_array().filter(|_| heard.status == 200) else {
        client.wrong(&ask, &heard);
        return 0;
    };
    let queues: BTreeSet<&str> = items.iter().filter_map(|it| it["queue"].as_str()).collect();
    let mut count = 0;
    for queue in queues {
        let ask = Ask::new("POST", "/operator/dead-letters/{queue}/redrive").with("queue", queue);
        let Some(heard) = client.insist(&ask).await else { continue };
        if heard.status != 202 {
            client.wrong(&ask, &heard);
        }
        count += heard.body["messages"].as_u64().unwrap_or(0);
    }
    count
}

async fn republish(world: &World, slots: &[SlotId]) {
    for _ in 0..world.plan.republishes {
        until(world, world.plan.calm_from).await;
        if world.dice.below(2) == 0 {
            republish_all(world).await;
        } else if !slots.is_empty() {
            let wish = json!({ "aggregate": world.dice.one_of(slots) });
            ask_to_republish(world, "parking", wish).await;
        }
    }
}

/// Has everything of the day published once more.
pub(crate) async fn republish_all(world: &World) {
    for service in ["booking", "parking", "billing"] {
        // The clocks of those who wrote may have been wrong.
        let day = Duration::from_secs(24 * 3_600);
        let wish = json!({ "from": world.now() - day, "until": world.now() + day });
        ask_to_republish(world, service, wish).await;
    }
}

async fn ask_to_republish(world: &World, service: &str, wish: Value) {
    let client = operator(world);
    let ask = Ask::new("POST", "/operator/services/{service}/republish");
    let ask = ask.with("service", service).body(wish);
    if let Some(heard) = client.insist(&ask).await
        && heard.status != 202
    {
        client.wrong(&ask, &heard);
    }
}

async fn look(world: &World) {
    let client = operator(world);
    for _ in 0..3 {
        until(world, world.plan.calm_from).await;
        let resource = *world.dice.one_of(&[
            "/operator/overview",
            "/operator/bookings",
            "/operator/slots",
            "/operator/circuit-breakers",
            "/operator/projections/{name}",
        ]);
        let ask = Ask::new("GET", resource).with("name", "bookings");
        if let Some(heard) = client.send(&ask).await
            && !matches!(heard.status, 200 | 503)
        {
            client.wrong(&ask, &heard);
        }
    }
}

/// Asks again for rebuilds that were given up; answers whether there were any.
pub(crate) async fn finish_rebuilds(world: &World) -> bool {
    let control = |control: Option<Result<(cqrs::generation::ProjectionState, _), _>>| {
        control.and_then(Result::ok).is_some_and(|it: (_, cqrs::lag::Lag)| it.0.rebuild.is_some())
    };
    let bookings = control(world.booking_views.state().now_or_never());
    let slots = control(world.slot_views.state().now_or_never());
    let client = operator(world);
    for (name, _) in [("bookings", bookings), ("slots", slots)].iter().filter(|it| it.1) {
        let ask = Ask::new("POST", "/operator/projections/{name}/rebuild").with("name", name);
        drop(client.insist(&ask).await);
    }
    bookings || slots
}
