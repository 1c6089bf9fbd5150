//! Rebuilding the view, and its status.

use contracts::projection::{Command, Projection, ProjectionStatus};

use super::*;
use outbox::redrive::{Invocation, InvocationResponse};

use crate::rebuild_source::BookingRows;

type Views = MemoryGenerations<BookingRow>;

async fn tell(store: &Store, views: &Views, command: Value) -> Result<Projection, ServiceError> {
    let command: Command = serde_json::from_value(command).unwrap();
    let (call, letters) = (Invocation::Direct(command.into()), MemoryDeadLetters::default());
    let reply = rebuild::handle(views, &BookingRows(store), &letters, call, "worker", now).await?;
    let InvocationResponse::Direct(projection) = reply else {
        unreachable!("a call has a response")
    };
    Ok(projection)
}

#[tokio::test]
async fn the_view_is_rebuilt_from_every_stream() {
    let (store, views) = (Store::default(), Views::default());
    // More than a page of streams.
    let ids: Vec<_> =
        (0..25).map(|it| contracts::id::BookingId(uuid::Uuid::from_u128(it))).collect();
    for booking_id in &ids {
        for mut command in [create(card()), complete()] {
            command["bookingId"] = json!(booking_id);
            send(&store, command).await.unwrap();
        }
    }
    let example = serde_json::from_str(include_str!("../../../events/booking-rebuild.json"));
    let started = tell(&store, &views, example.unwrap()).await.unwrap();
    assert_eq!((started.status, started.building), (ProjectionStatus::Rebuilding, Some(2)));
    let done = tell(&store, &views, json!({ "command": "workOnRebuild" })).await.unwrap();
    assert_eq!((done.status, done.applied), (ProjectionStatus::Live, 25));
    assert_eq!((done.generation, done.previous), (2, Some(1)));
    let rows = views.generation(2).rows();
    for booking_id in &ids {
        let commits = store.load(&booking_id.to_string(), 0).await.unwrap();
        let (version, row) = fold(*booking_id, &commits).unwrap();
        assert_eq!(rows[&booking_id.to_string()], Versioned { version, row });
    }
}

#[tokio::test]
async fn a_rollback_to_an_unknown_generation_is_a_conflict_and_one_after_a_fresh_promotion_transient()
 {
    let (store, views) = (Store::default(), Views::default());
    let back = |generation: u64| json!({ "command": "rollBack", "generation": generation });
    assert_eq!(tell(&store, &views, back(7)).await.unwrap_err().slug(), "conflict");
    tell(&store, &views, json!({ "command": "beginRebuild" })).await.unwrap();
    tell(&store, &views, json!({ "command": "workOnRebuild" })).await.unwrap();
    let early = tell(&store, &views, back(1)).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::Transient);
}

#[tokio::test]
async fn a_view_reports_its_status_and_its_counts() {
    let (store, views) = (Store::default(), Views::default());
    send(&store, create(card())).await.unwrap();
    let batch = stream_batch(&commits(&store).await);
    let (dead_letters, throttle) = (MemoryDeadLetters::default(), ReportThrottle::default());
    let later = || now() + jiff::SignedDuration::from_secs(7);
    project::handle(&store, &views, &dead_letters, &throttle, later, batch.records).await;
    let query = async |query: Value| {
        let live = cqrs::live::Live::new(views.clone(), later);
        let request: Request<Query> = serde_json::from_value(query).unwrap();
        let cursors = Cursors::new("secret");
        let response = query::handle(&live, &views, &cursors, request, later()).await.unwrap();
        serde_json::to_value(response).unwrap()
    };
    // The record was written at the time of the fixture.
    let projection = query(json!({ "query": "projection" })).await;
    assert_eq!((&projection["status"], &projection["lagSeconds"]), (&json!("live"), &json!(7)));
    let overview = query(json!({ "query": "overview" })).await;
    assert_eq!(overview["counts"]["pending"], 1);
    assert_eq!(overview["counts"]["checked_out"], 0);
    assert_eq!(overview["projection"], projection);
}
