//! Stream to view.

use super::*;

type Views = MemoryGenerations<BookingRow>;

async fn project(
    store: &Store,
    views: &Views,
    dead_letters: &MemoryDeadLetters,
    batch: aws_lambda_events::dynamodb::Event,
) -> aws_lambda_events::streams::DynamoDbEventResponse {
    let throttle = ReportThrottle::default();
    project::handle(store, views, dead_letters, &throttle, now, batch.records).await
}

fn rows(views: &Views) -> std::collections::BTreeMap<String, Versioned<BookingRow>> {
    views.generation(1).rows()
}

async fn history() -> (Store, Vec<Commit<crate::domain::BookingEvent>>) {
    let store = Store::default();
    send(&store, create(card())).await.unwrap();
    send(&store, complete()).await.unwrap();
    send(&store, cancel()).await.unwrap();
    let commits = commits(&store).await;
    (store, commits)
}

#[tokio::test]
async fn the_view_is_projected_from_the_stream() {
    let (store, commits) = history().await;
    let (view, dead_letters) = (Views::default(), MemoryDeadLetters::default());
    let response = project(&store, &view, &dead_letters, stream_batch(&commits)).await;
    assert!(response.batch_item_failures.is_empty());
    let row = &rows(&view)[&BOOKING.to_string()];
    assert_eq!(row.version, 4);
    assert_eq!(row.row.0.status, BookingStatus::Cancelled);
}

#[tokio::test]
async fn a_gap_is_backfilled_from_the_source() {
    let (store, commits) = history().await;
    let (view, dead_letters) = (Views::default(), MemoryDeadLetters::default());
    project(&store, &view, &dead_letters, stream_batch(&commits[2..])).await;
    assert_eq!(rows(&view)[&BOOKING.to_string()].version, 4);
}

#[tokio::test]
async fn a_poison_record_is_dead_lettered_and_the_others_are_applied() {
    let (store, commits) = history().await;
    let (view, dead_letters) = (Views::default(), MemoryDeadLetters::default());
    let poison = record("INSERT", 9, json!({ "stream": { "S": "no uuid" } }));
    let mut batch = stream_batch(&commits);
    batch.records.insert(0, serde_json::from_value(poison).unwrap());
    let response = project(&store, &view, &dead_letters, batch).await;
    assert!(response.batch_item_failures.is_empty());
    let [dead_letters] = dead_letters.records().try_into().unwrap();
    assert_eq!(dead_letters.sequence_number, "9");
    assert!(dead_letters.key.contains(&BOOKING.to_string()), "{}", dead_letters.key);
    assert!(dead_letters.reason.contains("missing field"), "{}", dead_letters.reason);
    assert_eq!(rows(&view)[&BOOKING.to_string()].version, 4);
}

fn any_end() -> impl Strategy<Value = Vec<Value>> {
    prop_oneof![
        Just(vec![]),
        Just(vec![cancel()]),
        Just(vec![complete()]),
        Just(vec![complete(), cancel()]),
        Just(vec![fail()]),
    ]
}

fn fail() -> Value {
    json!({ "command": "failBooking", "bookingId": BOOKING, "reason": "payment_declined" })
}

proptest! {
    #[test]
    fn shuffled_repeated_and_differently_batched_records_end_in_the_same_view(
        ends in prop::collection::vec(any_end(), 1..5),
        seed: u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (store, mut records, mut expected) = (Store::default(), Vec::new(), Vec::new());
            for (number, end) in ends.iter().enumerate() {
                let booking_id = contracts::id::BookingId(uuid::Uuid::from_u128(number as u128));
                for mut command in [vec![create(card())], end.clone()].concat() {
                    command["bookingId"] = json!(booking_id);
                    send(&store, command).await.unwrap();
                }
                let commits = store.load(&booking_id.to_string(), 0).await.unwrap();
                records.extend(support::records(booking_id, &commits));
                let (version, row) = fold(booking_id, &commits).unwrap();
                expected.push((booking_id.to_string(), version, row));
            }
            let expected: Vec<_> =
                expected.iter().map(|(id, at, row)| (id.as_str(), *at, row.clone())).collect();
            for batches in [test_support::in_order(&records), test_support::shuffled(&records, seed)] {
                let (dead_letters, throttle) = (MemoryDeadLetters::default(), ReportThrottle::default());
                let project = async |views: &Views, records| {
                    project::handle(&store, views, &dead_letters, &throttle, now, records).await
                };
                given(batches, project).await.assert_rows(&expected);
                assert_eq!(dead_letters.records(), [], "every record can be applied");
            }
        });
    }
}
