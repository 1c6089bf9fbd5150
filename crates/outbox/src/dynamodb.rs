//! State and outbox in one DynamoDB item.
//!
//! | id  | part           | version | state         | events     | changed | change | sealed | expires_at |
//! | --- | -------------- | ------- | ------------- | ---------- | ------- | ------ | ------ | ---------- |
//! | key | `state`        | 1, 2, … | state as JSON | JSON array | version | UUID   |        |            |
//! | key | `bar#<holder>` |         |               |            |         |        | bool   | seconds    |
//!
//! A change is one conditional put: one write unit for up to 1 KB, whatever the number of its events. The table's stream
//! is the outbox. The events stay in the item until the next change, so that they can be republished. `changed` is the
//! version that they were stored with; a record of a later version must not publish them again.
//!
//! A tombstone (`bar#<holder>`) takes three unconditional writes: the item, an increment of the aggregate's version, and
//! `sealed` on the item. A command that read the aggregate before the increment fails on its version; one that reads it
//! afterwards reads the tombstone later still, and finds it. After a crash before `sealed`, a retry increments the
//! version again. A sealed tombstone is never written again.

use std::collections::HashMap;
use std::error::Error as StdError;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use trace_context::call;

use crate::envelope::{Envelope, RawEvent};
use crate::republish::{Page, RepublishSource, SourceError};
use crate::state::{
    Aggregate, Change, IndexValue, ListedState, Loaded, StateStore, States, StatesPage, StoreError,
};

/// How long a tombstone is kept: longer than any message. A queue keeps one for at most 14 days, a dead-letter queue for
/// 14 more.
const TOMBSTONE_SECONDS: i64 = 60 * 24 * 60 * 60;

/// The number of items, states and tombstones, in a page of events. Publishing them takes some seconds.
const EVENTS_PER_PAGE: i32 = 500;

/// Stores aggregates in one table.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Client,
    table: String,
    clock: fn() -> Timestamp,
}

impl DynamoStore {
    /// Uses an existing table. The clock determines when a tombstone expires.
    #[must_use]
    pub fn new(client: Client, table: String, clock: fn() -> Timestamp) -> Self {
        Self { client, table, clock }
    }

    /// Opens the connection during init, so that the first request does not wait for it.
    ///
    /// # Errors
    ///
    /// If the table can't be read.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        let key = key("warm-up", "state");
        let got = self.client.get_item().table_name(&self.table).set_key(Some(key)).send().await;
        got.map(drop).map_err(unavailable)
    }

    async fn get(&self, id: &str, part: &str) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(id, part)));
        let got = get.consistent_read(true).send().await.map_err(unavailable)?;
        Ok(got.item)
    }

    async fn put_tombstone(&self, id: &str, holder: &str, sealed: bool) -> Result<(), StoreError> {
        let mut tombstone = key(id, &tombstone_part(holder));
        let expires_at = (self.clock)().as_second() + TOMBSTONE_SECONDS;
        tombstone.insert("expires_at".to_owned(), AttributeValue::N(expires_at.to_string()));
        tombstone.insert("sealed".to_owned(), AttributeValue::Bool(sealed));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(tombstone));
        let put = call("dynamodb:PutItem", &self.table, put.send());
        put.await.map(drop).map_err(unavailable)
    }
}

type Item = HashMap<String, AttributeValue>;

impl<S: Aggregate> StateStore<S> for DynamoStore {
    async fn load(&self, id: &str, holder: Option<&str>) -> Result<Loaded<S>, StoreError> {
        let mut loaded = Loaded { version: 0, state: None, has_tombstone: false };
        if let Some(item) = self.get(id, "state").await? {
            loaded.version = version(&item)?;
            loaded.state = match text(&item, "state") {
                Some(state) => Some(serde_json::from_str(state).map_err(corrupt)?),
                None => None,
            };
        }
        // After the version, never concurrently: a tombstone set between the two reads would otherwise be missed.
        if let Some(holder) = holder {
            loaded.has_tombstone = self.get(id, &tombstone_part(holder)).await?.is_some();
        }
        Ok(loaded)
    }

    async fn save(&self, id: &str, change: Change<S>) -> Result<(), StoreError> {
        let mut item = key(id, "state");
        item.insert("version".to_owned(), number(change.expected + 1));
        item.insert("changed".to_owned(), number(change.expected + 1));
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
        match call("dynamodb:PutItem", &self.table, put.send()).await {
            Ok(_) => Ok(()),
            Err(error) => match existing_item(&error) {
                // The SDK retries a put whose response was lost, so the existing item may be our own.
                Some(found) if text(found, "change") == Some(&change.id.to_string()) => Ok(()),
                Some(_) => Err(StoreError::Conflict),
                None => Err(unavailable(error)),
            },
        }
    }

    async fn set_tombstone(&self, id: &str, holder: &str) -> Result<(), StoreError> {
        match self.get(id, &tombstone_part(holder)).await? {
            Some(tombstone) if tombstone.get("sealed") == Some(&AttributeValue::Bool(true)) => {
                return Ok(());
            }
            Some(_) => {}
            None => self.put_tombstone(id, holder, false).await?,
        }
        let bump = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(id, "state")))
            .update_expression("ADD version :one")
            .expression_attribute_values(":one", number(1))
            .send();
        call("dynamodb:UpdateItem", &self.table, bump).await.map_err(unavailable)?;
        self.put_tombstone(id, holder, true).await
    }
}

impl<S: Aggregate> States<S> for DynamoStore {
    /// Reads the whole table, 1 MB a page, for a rebuild.
    async fn states(&self, after: Option<&str>) -> Result<StatesPage<S>, StoreError> {
        let page = self
            .client
            .scan()
            .table_name(&self.table)
            // Consistent, because an aggregate that was just changed must be listed with that change.
            .consistent_read(true)
            .filter_expression("part = :part AND attribute_exists(#state)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":part", AttributeValue::S("state".to_owned()))
            .set_exclusive_start_key(after.map(read_position).transpose()?)
            .send()
            .await
            .map_err(unavailable)?;
        let mut states = Vec::new();
        for item in page.items.unwrap_or_default() {
            let (Some(id), Some(state)) = (text(&item, "id"), text(&item, "state")) else {
                continue;
            };
            let state = serde_json::from_str(state).map_err(|error| error.to_string());
            states.push(ListedState { id: id.clone(), version: version(&item)?, state });
        }
        let next = page.last_evaluated_key.as_ref().and_then(position);
        Ok(StatesPage { states, next })
    }
}

impl RepublishSource for DynamoStore {
    async fn events_of(&self, aggregate: &str) -> Result<Vec<Envelope<RawEvent>>, SourceError> {
        let found = self.get(aggregate, "state").await.map_err(|it| SourceError(Box::new(it)))?;
        Ok(found.map_or_else(Vec::new, |item| events(&item)))
    }

    async fn page(&self, after: Option<&str>) -> Result<Page, SourceError> {
        let start = after.map(read_position).transpose();
        let page = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(EVENTS_PER_PAGE)
            .filter_expression("part = :part AND attribute_exists(events)")
            .expression_attribute_values(":part", AttributeValue::S("state".to_owned()))
            .set_exclusive_start_key(start.map_err(|it| SourceError(Box::new(it)))?)
            .send()
            .await
            .map_err(|error| SourceError(Box::new(error)))?;
        let next = page.last_evaluated_key.as_ref().and_then(position);
        let events = page.items.unwrap_or_default().iter().flat_map(events).collect();
        Ok(Page { events, next })
    }
}

/// The events of the last change. Unreadable ones were dead-lettered when they were to be published first.
fn events(item: &Item) -> Vec<Envelope<RawEvent>> {
    let read = text(item, "events").map(|events| serde_json::from_str(events));
    read.transpose()
        .inspect_err(
            |error| tracing::error!(%error, id = text(item, "id"), "events are unreadable"),
        )
        .unwrap_or_default()
        .unwrap_or_default()
}

/// A key of the table as a token, from which any key can be read back.
fn position(key: &Item) -> Option<String> {
    serde_json::to_string(&(text(key, "id")?, text(key, "part")?)).ok()
}

fn read_position(position: &str) -> Result<Item, StoreError> {
    let (id, part): (String, String) = serde_json::from_str(position).map_err(corrupt)?;
    Ok(key(&id, &part))
}

fn key(id: &str, part: &str) -> Item {
    HashMap::from([
        ("id".to_owned(), AttributeValue::S(id.to_owned())),
        ("part".to_owned(), AttributeValue::S(part.to_owned())),
    ])
}

fn tombstone_part(holder: &str) -> String {
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

/// The existing item, if a condition failed.
fn existing_item(error: &SdkError<PutItemError>) -> Option<&Item> {
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
