//! State and outbox in one DynamoDB item.
//!
//! | id  | part           | version | state         | events        | change | expires_at |
//! | --- | -------------- | ------- | ------------- | ------------- | ------ | ---------- |
//! | key | `state`        | 1, 2, … | state as JSON | JSON array    | UUID   |            |
//! | key | `bar#<holder>` |         |               |               |        | seconds    |
//!
//! A change is one conditional put: one write unit for up to 1 KB, whatever the number of its events. The table's
//! stream is the outbox. A bar is a put and a bump of the version, two plain writes in that order: whoever has read the
//! aggregate before the bar fails on the version, whoever reads it afterwards sees the bar.

use std::collections::HashMap;
use std::error::Error as StdError;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;

use crate::state::{Aggregate, Change, IndexValue, Loaded, StateStore, StoreError};

/// A bar outlives every message that could come late: queues keep one for at most 14 days, dead letters 14 more.
const BAR_SECONDS: i64 = 60 * 24 * 60 * 60;

/// Keeps aggregates in one table.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Client,
    table: String,
    clock: fn() -> Timestamp,
}

impl DynamoStore {
    /// Uses an existing table; the clock says when a bar may expire.
    #[must_use]
    pub fn new(client: Client, table: String, clock: fn() -> Timestamp) -> Self {
        Self { client, table, clock }
    }

    /// Opens the connection, so that the first call need not.
    ///
    /// # Errors
    ///
    /// If the table can't be read.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        let key = key("warm-up", "state");
        let got = self.client.get_item().table_name(&self.table).set_key(Some(key)).send().await;
        got.map(drop).map_err(unavailable)
    }

    async fn get(&self, id: &str) -> Result<Vec<Item>, StoreError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(id, "state")))
            .consistent_read(true)
            .send()
            .await
            .map_err(unavailable)?;
        Ok(got.item.into_iter().collect())
    }

    /// The aggregate and the bar in one round trip. The two reads are not one: a bar that is set between them moves the
    /// version, so that a change decided without it fails.
    async fn get_with_bar(&self, id: &str, holder: &str) -> Result<Vec<Item>, StoreError> {
        let keys = KeysAndAttributes::builder()
            .keys(key(id, "state"))
            .keys(key(id, &bar_of(holder)))
            .consistent_read(true)
            .build()
            .map_err(corrupt)?;
        let got = self
            .client
            .batch_get_item()
            .request_items(&self.table, keys)
            .send()
            .await
            .map_err(unavailable)?;
        if got.unprocessed_keys().is_some_and(|left| !left.is_empty()) {
            return Err(StoreError::Unavailable("the table left keys unread".into()));
        }
        Ok(got.responses.into_iter().flatten().flat_map(|(_, items)| items).collect())
    }
}

type Item = HashMap<String, AttributeValue>;

impl<S: Aggregate> StateStore<S> for DynamoStore {
    async fn load(&self, id: &str, holder: Option<&str>) -> Result<Loaded<S>, StoreError> {
        let items = match holder {
            Some(holder) => self.get_with_bar(id, holder).await?,
            None => self.get(id).await?,
        };
        let mut loaded = Loaded { version: 0, state: None, barred: false };
        for item in items {
            if text(&item, "part").is_some_and(|part| part != "state") {
                loaded.barred = true;
                continue;
            }
            loaded.version = version(&item)?;
            loaded.state = match text(&item, "state") {
                Some(state) => Some(serde_json::from_str(state).map_err(corrupt)?),
                None => None,
            };
        }
        Ok(loaded)
    }

    async fn save(&self, id: &str, change: Change<S>) -> Result<(), StoreError> {
        let mut item = key(id, "state");
        item.insert("version".to_owned(), number(change.expected + 1));
        item.insert("change".to_owned(), AttributeValue::S(change.id.to_string()));
        let state = serde_json::to_string(&change.state).map_err(corrupt)?;
        item.insert("state".to_owned(), AttributeValue::S(state));
        let events = serde_json::to_string(&change.events).map_err(corrupt)?;
        item.insert("events".to_owned(), AttributeValue::S(events));
        for (name, value) in change.state.index() {
            let value = match value {
                IndexValue::Text(text) => AttributeValue::S(text),
                IndexValue::Number(number) => AttributeValue::N(number.to_string()),
            };
            item.insert(name.to_owned(), value);
        }
        let mut put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put = if change.expected == 0 {
            put.condition_expression("attribute_not_exists(id)")
        } else {
            put.condition_expression("version = :expected")
                .expression_attribute_values(":expected", number(change.expected))
        };
        let put = put
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) => match winner(&error) {
                // The SDK sends a put again whose answer was lost: the winner may be ourselves.
                Some(winner) if text(winner, "change") == Some(&change.id.to_string()) => Ok(()),
                Some(_) => Err(StoreError::Conflict),
                None => Err(unavailable(error)),
            },
        }
    }

    async fn bar(&self, id: &str, holder: &str) -> Result<(), StoreError> {
        let mut bar = key(id, &bar_of(holder));
        let expires_at = (self.clock)().as_second() + BAR_SECONDS;
        bar.insert("expires_at".to_owned(), AttributeValue::N(expires_at.to_string()));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(bar)).send();
        put.await.map_err(unavailable)?;
        // The events of the last change go, or the stream would show them again.
        let bump = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(id, "state")))
            .update_expression("ADD version :one REMOVE events")
            .expression_attribute_values(":one", number(1))
            .send();
        bump.await.map(drop).map_err(unavailable)
    }
}

fn key(id: &str, part: &str) -> Item {
    HashMap::from([
        ("id".to_owned(), AttributeValue::S(id.to_owned())),
        ("part".to_owned(), AttributeValue::S(part.to_owned())),
    ])
}

fn bar_of(holder: &str) -> String {
    format!("bar#{holder}")
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a String> {
    item.get(name).and_then(|value| value.as_s().ok())
}

fn version(item: &Item) -> Result<u64, StoreError> {
    let version = item.get("version").and_then(|value| value.as_n().ok());
    version
        .and_then(|version| version.parse().ok())
        .ok_or_else(|| StoreError::Corrupt("item has no version".into()))
}

/// The item that stood in the way, if a condition has failed.
fn winner(error: &SdkError<PutItemError>) -> Option<&Item> {
    static NOTHING: std::sync::LazyLock<Item> = std::sync::LazyLock::new(Item::new);
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(failed)) => {
            Some(failed.item().unwrap_or(&NOTHING))
        }
        _ => None,
    }
}

fn unavailable(error: impl StdError + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

fn corrupt(error: impl StdError + Send + Sync + 'static) -> StoreError {
    StoreError::Corrupt(Box::new(error))
}
