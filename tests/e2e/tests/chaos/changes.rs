//! Every change of the tables that are the truth, as their streams tell it: a table of states forgets what was before.

use std::collections::BTreeMap;

use platform::Platform;
use reqwest::Client;
use serde_json::{Value, json};

use crate::truth::TABLES;

/// The local cloud asks for a signature and looks at the service in it alone.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, \
                      SignedHeaders=host, Signature=0";

/// An event that was committed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Committed {
    /// The booking, slot or bill that it happened to.
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    pub(crate) kind: String,
}

/// Where each stream stood when it began.
#[derive(Debug)]
pub(crate) struct Changes {
    http: Client,
    endpoint: String,
    iterators: BTreeMap<&'static str, String>,
}

impl Changes {
    pub(crate) async fn from_now_on(platform: &Platform) -> Self {
        let (http, endpoint) = (Client::new(), platform.endpoint());
        let mut changes = Self { http, endpoint, iterators: BTreeMap::new() };
        for table in TABLES {
            let name = format!("parkade-local-{table}");
            let told = platform.dynamodb().describe_table().table_name(&name).send().await;
            let stream = told.unwrap().table.unwrap().latest_stream_arn.unwrap();
            let told = changes.ask("DescribeStream", &json!({ "StreamArn": stream })).await;
            let shards = told["StreamDescription"]["Shards"].as_array().unwrap();
            assert_eq!(shards.len(), 1, "{told}");
            let place = json!({
                "StreamArn": stream, "ShardId": shards[0]["ShardId"], "ShardIteratorType": "LATEST",
            });
            let told = changes.ask("GetShardIterator", &place).await;
            changes.iterators.insert(table, told["ShardIterator"].as_str().unwrap().to_owned());
        }
        changes
    }

    /// All events that were committed since, by their ids.
    pub(crate) async fn events(&self) -> BTreeMap<String, Committed> {
        let mut events = BTreeMap::new();
        for (table, iterator) in &self.iterators {
            let mut iterator = iterator.clone();
            loop {
                let told = self.ask("GetRecords", &json!({ "ShardIterator": iterator })).await;
                let records = told["Records"].as_array().unwrap();
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
                told["NextShardIterator"].as_str().unwrap().clone_into(&mut iterator);
            }
        }
        events
    }

    async fn ask(&self, operation: &str, request: &Value) -> Value {
        let post = self.http.post(&self.endpoint).header("authorization", SIGNED);
        let post = post
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDBStreams_20120810.{operation}"));
        let answer = post.body(request.to_string()).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{operation}: {status}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

fn number(value: &Value) -> u64 {
    value["N"].as_str().unwrap_or_default().parse().unwrap()
}

/// The events of a booking's commit.
fn of_commit(image: &Value) -> Vec<(String, Committed)> {
    // What was removed has no image.
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

/// The events of the change of a slot or a bill; a bar moves the version alone and leaves the last change's there.
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
