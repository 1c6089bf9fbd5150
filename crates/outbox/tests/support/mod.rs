//! An in-process table, and a network to it that counts requests, lets other tasks run first, and simulates crashes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lambda_events::dynamodb::EventRecord;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region, RuntimeComponents};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use dynoxide_client::DynamoDb;
use outbox::conformance::schedule::Gate;

pub(crate) const TABLE: &str = "things";

/// Keys and index as in the templates.
const CREATE_TABLE: &str = r#"{
    "TableName": "things",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "part", "AttributeType": "S"}
    ],
    "KeySchema": [
        {"AttributeName": "id", "KeyType": "HASH"},
        {"AttributeName": "part", "KeyType": "RANGE"}
    ]
}"#;

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) dynamodb: DynamoDb,
    line: Line,
}

#[derive(Clone, Debug, Default)]
struct Line {
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
    gate: Arc<Mutex<Option<Gate>>>,
    /// How many requests are let through.
    left: Option<Arc<AtomicUsize>>,
}

#[derive(Clone, Debug)]
struct Wire {
    dynamodb: DynamoDb,
    line: Line,
}

impl Default for Network {
    fn default() -> Self {
        let dynamodb = DynamoDb::new();
        dynamodb.create_table(CREATE_TABLE);
        Self { dynamodb, line: Line::default() }
    }
}

impl Network {
    /// A client with three attempts, like the functions'.
    pub(crate) fn client(&self) -> Client {
        self.client_with(3, self.line.clone())
    }

    pub(crate) fn without_retries(&self) -> Client {
        self.client_with(1, self.line.clone())
    }

    /// A client whose requests are all lost after this many.
    pub(crate) fn crashing(&self, after: usize) -> Client {
        let left = Some(Arc::new(AtomicUsize::new(after)));
        self.client_with(1, Line { left, ..self.line.clone() })
    }

    fn client_with(&self, attempts: u32, line: Line) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(attempts)
                    .with_initial_backoff(std::time::Duration::from_millis(1)),
            )
            .http_client(Wire { dynamodb: self.dynamodb.clone(), line })
            .build();
        Client::from_conf(config)
    }

    pub(crate) fn open_gate(&self, gate: Gate) {
        *self.line.gate.lock().unwrap() = Some(gate);
    }

    pub(crate) fn close_gate(&self) {
        *self.line.gate.lock().unwrap() = None;
    }

    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.line.counts.lock().unwrap().get(operation).copied().unwrap_or(0)
    }

    /// The calls since the last count.
    pub(crate) fn counted(&self) -> Vec<(&'static str, usize)> {
        let counts = std::mem::take(&mut *self.line.counts.lock().unwrap());
        let names = ["BatchGetItem", "GetItem", "PutItem", "TransactWriteItems", "UpdateItem"];
        let known: Vec<_> =
            names.iter().filter_map(|name| Some((*name, *counts.get(*name)?))).collect();
        assert_eq!(known.len(), counts.len(), "{counts:?}");
        known
    }

    pub(crate) async fn item(
        &self,
        id: &str,
        part: &str,
    ) -> Option<std::collections::HashMap<String, AttributeValue>> {
        let key = |value: &str| AttributeValue::S(value.to_owned());
        let get = self.dynamodb.client().get_item().table_name(TABLE);
        get.key("id", key(id)).key("part", key(part)).send().await.unwrap().item
    }

    pub(crate) async fn put(&self, item: serde_json::Value) {
        let item: serde_dynamo::Item = serde_json::from_value(item).unwrap();
        let put = self.dynamodb.client().put_item().table_name(TABLE);
        put.set_item(Some(item.into())).send().await.unwrap();
    }

    /// The record of the state, as a table's stream with new images shows it.
    pub(crate) async fn record(&self, id: &str) -> EventRecord {
        let item: serde_dynamo::Item = self.item(id, "state").await.unwrap().into();
        serde_json::from_value(serde_json::json!({
            "eventID": "1",
            "eventName": "MODIFY",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "Keys": { "id": { "S": id }, "part": { "S": "state" } },
                "NewImage": item,
                "SequenceNumber": "1",
                "SizeBytes": 100,
                "StreamViewType": "NEW_IMAGE",
            },
        }))
        .unwrap()
    }
}

impl Line {
    async fn admit(&self, request: &HttpRequest) -> Result<(), ConnectorError> {
        let gate = self.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        if let Some(left) = &self.left
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1))
                .is_err()
        {
            return Err(ConnectorError::timeout("dead".into()));
        }
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        *self.counts.lock().unwrap().entry(operation).or_default() += 1;
        Ok(())
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            this.line.admit(&request).await?;
            HttpConnector::call(&this.dynamodb, request).await
        })
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
