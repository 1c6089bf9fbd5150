//! Every change of the write models, from their tables' streams: a table of states keeps only the last change.

use std::collections::BTreeMap;

use platform::Platform;
use reqwest::Client;
use serde_json::{Value, json};

use crate::verifier::TABLES;

/// The local cloud requires a signature and reads only the service from it.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, \
                      SignedHeaders=host, Signature=0";

/// A committed event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Committed {
    /// The booking, slot or bill that it belongs to.
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    pub(crate) kind: String,
}

/// The stream positions at the start.
#[derive(Debug)]
pub(crate) struct Changes {
    http: Client,
    endpoint: String,
    iterators: BTreeMap<&'static str, String>,
}

impl Changes {
    pub(crate) async fn start(platform: &Platform) -> Self {
        let (http, endpoint) = (Client::new(), platform.endpoint());
        let mut changes = Self { http, endpoint, iterators: BTreeMap::new() };
        for table in TABLES {
            let name = format!("parkade-local-{table}");
            let response = platform.dynamodb().describe_table().table_name(&name).send().await;
            let stream = response.unwrap().table.unwrap().latest_stream_arn.unwrap();
            let response = changes.call("DescribeStream", &json!({ "StreamArn": stream })).await;
            let shards = response["StreamDescription"]["Shards"].as_array().unwrap();
            assert_eq!(shards.len(), 1, "{response}");
            let request = json!({
                "StreamArn": stream, "ShardId": shards[0]["ShardId"], "ShardIteratorType": "LATEST",
            });
            let response = changes.call("GetShardIterator", &request).await;
            changes.iterators.insert(table, response["ShardIterator"].as_str().unwrap().to_owned());
        }
        changes
    }

    /// All events committed since, by id.
    pub(crate) async fn events(&self) -> BTreeMap<String, Committed> {
        let mut events = BTreeMap::new();
        for (table, iterator) in &self.iterators {
            let mut iterator = iterator.clone();
            loop {
                let response = self.call("GetRecords", &json!({ "ShardIterator": iterator })).await;
                let records = response["Records"].as_array().unwrap();
                if records.is_empty() {
                    break;
                }
                for record in records {
                    let image = &record["dynamodb"]["NewImage"];
                    match *table {
                        "bookings" => events.extend(of_commit(image)),
                        _ => events.extend(of_state(image)),
                    }
                }
                response["NextShardIterator"].as_str().unwrap().clone_into(&mut iterator);
            }
        }
        events
    }

    async fn call(&self, operation: &str, request: &Value) -> Value {
        let post = self.http.post(&self.endpoint).header("authorization", SIGNED);
        let post = post
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDBStreams_20120810.{operation}"));
        let response = post.body(request.to_string()).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{operation}: {status}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

fn number(value: &Value) -> u64 {
    value["N"].as_str().unwrap_or_default().parse().unwrap()
}

/// The events of a booking's commit.
fn of_commit(image: &Value) -> Vec<(String, Committed)> {
    // The record of a deleted item has no image.
    let Some(events) = image["events"]["S"].as_str() else { return Vec::new() };
    let events: Vec<Value> = serde_json::from_str(events).unwrap();
    let subject = image["stream"]["S"].as_str().unwrap();
    let events = (number(&image["version"])..).zip(events).map(|(sequence, recorded)| {
        let kind = recorded["event"]["type"].as_str().unwrap().to_owned();
        let committed = Committed { subject: subject.to_owned(), sequence, kind };
        (recorded["id"].as_str().unwrap().to_owned(), committed)
    });
    events.collect()
}

/// The events of a change of a slot or a bill; a tombstone increments the version and leaves the last change's events.
fn of_state(image: &Value) -> Vec<(String, Committed)> {
    let Some(events) = image["events"]["S"].as_str() else { return Vec::new() };
    if image["changed"] != image["version"] {
        return Vec::new();
    }
    let events: Vec<Value> = serde_json::from_str(events).unwrap();
    let events = events.into_iter().map(|event| {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        let sequence = event["sequence"].as_u64().unwrap();
        (text("id"), Committed { subject: text("subject"), sequence, kind: text("type") })
    });
    events.collect()
}
