//! Simulated operators: they create, close and reopen slots, read the console, and rebuild views.

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::id::SlotId;
use cqrs::generation::ProjectionStateStore as _;
use futures::FutureExt as _;
use operator_bff::BREAKERS;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{ApiRequest, Client};
use crate::world::World;

fn operator(world: &World) -> Client<'_> {
    Client { world, subject: "operator".to_owned(), role: "operator" }
}

/// Creates the slots of the run.
pub(crate) async fn open(world: &World) -> Vec<SlotId> {
    let client = operator(world);
    let mut slots = Vec::new();
    for number in 0..world.plan.slots {
        let request = ApiRequest::new("POST", "/operator/slots")
            .body(json!({ "name": format!("A{number}") }));
        let Some(response) = client.send_until_decided(&request).await else { continue };
        match response.body["slotId"].as_str().and_then(|it| it.parse().ok()) {
            Some(slot_id) if response.status == 201 => slots.push(slot_id),
            Some(_) | None => client.wrong(&request, &response),
        }
    }
    slots
}

/// Runs all other operator actions.
pub(super) async fn work(world: &World, slots: &[SlotId]) {
    tokio::join!(
        close_and_reopen(world, slots),
        rebuild(world),
        redrive(world),
        republish(world, slots),
        read_pages(world),
        override_circuits(world),
    );
}

/// Overrides circuits for a while, and resets them afterwards.
async fn override_circuits(world: &World) {
    let client = operator(world);
    for _ in 0..world.plan.overrides {
        pause_up_to(world, world.plan.faults_end).await;
        let (breaker, _) = world.rng.one_of(&BREAKERS);
        let state = *world.rng.one_of(&["open", "closed", "disabled"]);
        for request in [
            ApiRequest::new("POST", "/operator/circuit-breakers/{name}")
                .body(json!({ "override": state })),
            ApiRequest::new("POST", "/operator/circuit-breakers/{name}/reset"),
        ] {
            let request = request.with("name", breaker);
            let Some(response) = client.send_until_decided(&request).await else { continue };
            if response.status != 200 || response.body["name"] != *breaker {
                client.wrong(&request, &response);
            }
            sleep(world.rng.millis(0..=20_000)).await;
        }
    }
}

async fn pause_up_to(world: &World, at_most: Duration) {
    let most = u64::try_from(at_most.as_millis()).unwrap_or(0);
    sleep(Duration::from_millis(world.rng.below(most))).await;
}

async fn close_and_reopen(world: &World, slots: &[SlotId]) {
    if slots.is_empty() {
        return;
    }
    let client = operator(world);
    for _ in 0..world.plan.closures {
        pause_up_to(world, world.plan.arrivals / 2).await;
        let slot_id = world.rng.one_of(slots);
        for resource in ["/operator/slots/{slotId}/close", "/operator/slots/{slotId}/reopen"] {
            let request = ApiRequest::new("POST", resource).with("slotId", slot_id);
            let Some(response) = client.send_until_decided(&request).await else { return };
            if !matches!(response.status, 200 | 409) {
                client.wrong(&request, &response);
            }
            sleep(world.rng.millis(0..=2_000)).await;
        }
    }
}

async fn rebuild(world: &World) {
    let client = operator(world);
    for _ in 0..world.plan.rebuilds {
        // While customers write: a rebuild without concurrent writes tests nothing.
        pause_up_to(world, world.plan.arrivals + Duration::from_secs(2)).await;
        let name = *world.rng.one_of(&["bookings", "slots"]);
        let request = if world.rng.below(4) == 0 {
            ApiRequest::new("POST", "/operator/projections/{name}/rollback")
                .with("name", name)
                .body(json!({ "generation": world.rng.within(1..=3) }))
        } else {
            ApiRequest::new("POST", "/operator/projections/{name}/rebuild").with("name", name)
        };
        // Once: a second request would return the rebuild in progress.
        if let Some(response) = client.send(&request).await
            && !matches!(response.status, 200 | 202 | 409 | 503)
        {
            client.wrong(&request, &response);
        }
    }
}

/// Redrives whether or not the cause has been fixed.
async fn redrive(world: &World) {
    for _ in 0..world.plan.redrives {
        pause_up_to(world, world.plan.faults_end).await;
        redrive_all(world).await;
    }
}

/// Lists all dead letters and redrives them; returns how many there were.
pub(crate) async fn redrive_all(world: &World) -> u64 {
    let client = operator(world);
    let request = ApiRequest::new("GET", "/operator/dead-letters");
    let Some(response) = client.send_until_decided(&request).await else { return 0 };
    let Some(items) = response.body["items"].as_array().filter(|_| response.status == 200) else {
        client.wrong(&request, &response);
        return 0;
    };
    let queues: BTreeSet<&str> = items.iter().filter_map(|it| it["queue"].as_str()).collect();
    let mut count = 0;
    for queue in queues {
        let request =
            ApiRequest::new("POST", "/operator/dead-letters/{queue}/redrive").with("queue", queue);
        let Some(response) = client.send_until_decided(&request).await else { continue };
        if response.status != 202 {
            client.wrong(&request, &response);
        }
        count += response.body["messages"].as_u64().unwrap_or(0);
    }
    count
}

async fn republish(world: &World, slots: &[SlotId]) {
    for _ in 0..world.plan.republishes {
        pause_up_to(world, world.plan.faults_end).await;
        if world.rng.below(2) == 0 {
            republish_all(world).await;
        } else if !slots.is_empty() {
            let range = json!({ "aggregate": world.rng.one_of(slots) });
            request_republish(world, "parking", range).await;
        }
    }
}

/// Republishes all events of the run.
pub(crate) async fn republish_all(world: &World) {
    for service in ["booking", "parking", "billing"] {
        // The clocks of the writers may have been wrong.
        let day = Duration::from_secs(24 * 3_600);
        let range = json!({ "from": world.now() - day, "until": world.now() + day });
        request_republish(world, service, range).await;
    }
}

async fn request_republish(world: &World, service: &str, range: Value) {
    let client = operator(world);
    let request = ApiRequest::new("POST", "/operator/services/{service}/republish");
    let request = request.with("service", service).body(range);
    if let Some(response) = client.send_until_decided(&request).await
        && response.status != 202
    {
        client.wrong(&request, &response);
    }
}

async fn read_pages(world: &World) {
    let client = operator(world);
    for _ in 0..3 {
        pause_up_to(world, world.plan.faults_end).await;
        let resource = *world.rng.one_of(&[
            "/operator/overview",
            "/operator/bookings",
            "/operator/slots",
            "/operator/circuit-breakers",
            "/operator/projections/{name}",
        ]);
        let request = ApiRequest::new("GET", resource).with("name", "bookings");
        if let Some(response) = client.send(&request).await
            && !matches!(response.status, 200 | 503)
        {
            client.wrong(&request, &response);
        }
    }
}

/// Requests failed rebuilds again; returns whether there were any.
pub(crate) async fn finish_rebuilds(world: &World) -> bool {
    let control = |control: Option<Result<(cqrs::generation::ProjectionState, _), _>>| {
        control.and_then(Result::ok).is_some_and(|it: (_, cqrs::lag::Lag)| it.0.rebuild.is_some())
    };
    let bookings = control(world.booking_views.state().now_or_never());
    let slots = control(world.slot_views.state().now_or_never());
    let client = operator(world);
    for (name, _) in [("bookings", bookings), ("slots", slots)].iter().filter(|it| it.1) {
        let request =
            ApiRequest::new("POST", "/operator/projections/{name}/rebuild").with("name", name);
        drop(client.send_until_decided(&request).await);
    }
    bookings || slots
}
