//! Views are rebuilt through the operator API, while they are written and read.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use platform::{Caller, Platform, eventually, within};
use serde_json::{Value, json};

/// A rebuild that starts right after another waits until all instances have received the switch.
const REBUILT_WITHIN: Duration = Duration::from_secs(90);

async fn projection(operator: &Caller, name: &str) -> Value {
    operator.get(&format!("/operator/projections/{name}")).await.expect(200)
}

/// Rebuilds a view; returns its final state.
async fn rebuilt(operator: &Caller, name: &str) -> Value {
    let path = format!("/operator/projections/{name}/rebuild");
    let started = operator.post(&path, &json!({})).await.expect(202);
    assert_eq!(started["name"], name);
    assert_eq!(started["status"], "rebuilding");
    // A second request joins the rebuild in progress, or comes after a quick one.
    operator.post(&path, &json!({})).await.expect(202);
    within(REBUILT_WITHIN, &format!("{name} is rebuilt"), async || {
        let found = projection(operator, name).await;
        assert_ne!(found["status"], "failed", "{found}");
        let is_new = found["generation"].as_u64() > started["generation"].as_u64();
        (is_new && found["status"] == "live").then_some(found)
    })
    .await
}

/// All slots or bookings of a list, across pages; each once.
async fn listed(caller: &Caller, path: &str, id: &str) -> BTreeMap<String, Value> {
    let (mut found, mut next) = (BTreeMap::new(), format!("{path}?limit=100"));
    loop {
        let page = caller.get(&next).await.expect(200);
        for item in page["items"].as_array().unwrap() {
            found.insert(item[id].as_str().unwrap().to_owned(), item.clone());
        }
        let Some(cursor) = page["nextCursor"].as_str() else { return found };
        next = format!("{path}?limit=100&cursor={cursor}");
    }
}

#[tokio::test]
async fn views_are_rebuilt_while_they_are_written_and_read() {
    let platform = Platform::up();
    let (operator, customer) = (platform.operator().await, platform.customer().await);
    let (slots, bookings) = (RefCell::new(Vec::new()), RefCell::new(BTreeMap::new()));
    let is_over = Cell::new(false);
    let write = async {
        while !is_over.get() {
            let slot = platform.slot().await;
            slots.borrow_mut().push(slot.clone());
            let booking = customer.book_invoice(&slot).await;
            bookings.borrow_mut().insert(booking.clone(), 1);
            let cancelled = customer.cancel(&booking).await.expect(202);
            bookings.borrow_mut().insert(booking, cancelled["version"].as_u64().unwrap());
        }
    };
    let read = async {
        let mut turn = 0;
        while !is_over.get() {
            turn += 1;
            let known = bookings.borrow().iter().nth(turn % 7).map(|(id, at)| (id.clone(), *at));
            let Some((booking, version)) = known else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let path = format!("/mobile/bookings/{booking}?minVersion={version}");
            let found = customer.get(&path).await.expect(200);
            assert!(found["version"].as_u64().unwrap() >= version);
            let slot = slots.borrow().get(turn % 7).cloned();
            if let Some(slot) = slot {
                operator.get(&format!("/operator/slots/{slot}")).await.expect(200);
            }
        }
    };
    let rebuild = async {
        eventually("the view has rows to rebuild", async || {
            (bookings.borrow().len() > 2).then_some(())
        })
        .await;
        let found = tokio::join!(rebuilt(&operator, "bookings"), rebuilt(&operator, "slots"));
        is_over.set(true);
        found
    };
    let ((), (), (of_bookings, of_slots)) = tokio::join!(write, read, rebuild);
    for found in [&of_bookings, &of_slots] {
        assert!(found["applied"].as_u64().unwrap() > 0, "{found}");
        assert_eq!(found["different"], 0, "{found}");
        assert!(found["lagSeconds"].as_u64().unwrap() < 30, "{found}");
    }
    // Nothing is missing or stale.
    let bookings = bookings.into_inner();
    for (booking, version) in &bookings {
        let path = format!("/mobile/bookings/{booking}?minVersion={version}");
        assert_eq!(customer.get(&path).await.expect(200)["status"], "cancelled");
    }
    eventually("all are listed", async || {
        let found = listed(&customer, "/mobile/bookings", "bookingId").await;
        (found.len() == bookings.len()).then_some(())
    })
    .await;
    let listed = listed(&operator, "/operator/slots", "slotId").await;
    for slot in slots.into_inner() {
        assert!(listed.contains_key(&slot), "{slot} is not listed");
    }

    // Roll back to the previous generation, which is as up to date.
    let previous = &of_slots["previous"];
    let path = "/operator/projections/slots/rollback";
    let unknown = operator.post(path, &json!({ "generation": 1_000_000 })).await;
    unknown.expect_problem(409, "conflict");
    let rolled_back = eventually("all instances have received the switch", async || {
        let reply = operator.post(path, &json!({ "generation": previous })).await;
        (reply.status != 503).then(|| reply.expect(200))
    })
    .await;
    assert_eq!(&rolled_back["generation"], previous);
    let slot = platform.slot().await;
    operator.get(&format!("/operator/slots/{slot}")).await.expect(200);
}

#[tokio::test]
async fn an_unknown_projection_is_not_found() {
    let operator = Platform::up().operator().await;
    operator.get("/operator/projections/bills").await.expect_problem(404, "not-found");
    let path = "/operator/projections/bills/rebuild";
    operator.post(path, &json!({})).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn the_overview_has_counts_and_projections() {
    let platform = Platform::up();
    platform.slot().await;
    let operator = platform.operator().await;
    eventually("a slot is counted", async || {
        let overview = operator.get("/operator/overview").await.expect(200);
        let names: Vec<_> =
            overview["projections"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
        assert_eq!(names, ["bookings", "slots"]);
        (overview["slots"]["available"].as_u64()? > 0).then_some(())
    })
    .await;
}
