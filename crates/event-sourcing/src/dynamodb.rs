//! Streams in one DynamoDB table.
//!
//! | stream | version            | last | command | at       | correlation | causation | events     | schema     | snapshot |
//! | ------ | ------------------ | ---- | ------- | -------- | ----------- | --------- | ---------- | ---------- | -------- |
//! | id     | 1, 3, 4 … (number) | 2 …  | UUID    | RFC 3339 | UUID        | UUID      | JSON array | 2, 3 …     | JSON     |
//!
//! The optional attributes `traceparent` and `tracestate` have the trace that the commit belongs to.
//!
//! `version` is the version of the commit's first event, `last` that of its last. `schema` is the schema version of the
//! events, absent for 1; `snapshot` is in some commits only.
//!
//! | operation                | request                                                              | cost                          |
//! | ------------------------ | -------------------------------------------------------------------- | ----------------------------- |
//! | append 1 to n events     | `PutItem`, conditional on the key not existing                       | a write unit for each KB      |
//! | read a stream or a tail  | `Query` stream, version > *after*; consistent, every page            | a read unit for each 4 KB     |
//! | read back to a snapshot  | `Query` stream, version ≤ *from*, descending, limited; consistent    | the same, at any length       |
//! | list the streams         | `Scan` for version = 1, page by page; consistent                     | the whole table               |
//!
//! An append is one item, the commit, so it is atomic whatever the number of its events. Two writers that have read the
//! same version write the same key next, so one of them gets [`StoreError::Conflict`] and nothing of its commit is stored.
//! A transaction that holds the item ([`StoreError::TransactionConflict`]) and throttling ([`StoreError::Throttled`]) are
//! reported separately, because they do not mean that another writer was first.
//!
//! A snapshot is stored in the commit after which it was taken. It needs no item and no write of its own, and commit and
//! snapshot are never stored separately.

use std::collections::HashMap;
use std::error::Error as StdError;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use trace_context::call;

use crate::item::CommitItem;
use crate::store::{Commit, CommitsPage, EventStore, Log, StoreError, Streams, StreamsPage};
use crate::upcast::Upcast;

/// The size up to which an item gets a snapshot, in bytes. DynamoDB's limit is 400 KB, and a commit must not fail because
/// of its snapshot.
const MAX_ITEM_BYTES: usize = 380_000;

/// Stores streams in one table.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Client,
    table: String,
}

impl DynamoStore {
    /// Uses an existing table.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Opens the connection during init, so that the first request does not wait for it.
    ///
    /// # Errors
    ///
    /// If the table can't be read.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        let get = self.client.get_item().table_name(&self.table);
        let get =
            get.key("stream", AttributeValue::S("warm-up".to_owned())).key("version", number(1));
        get.send().await.map(drop).map_err(failed)
    }

    /// Reads the items of a stream as they were stored, in any schema version.
    ///
    /// # Errors
    ///
    /// If the table can't be read.
    pub async fn as_written(&self, stream: &str) -> Result<Vec<CommitItem>, StoreError> {
        let mut pages = self.query(stream, ">", 0).into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(serde_dynamo::from_item(item.map_err(failed)?).map_err(corrupt)?);
        }
        Ok(items)
    }

    /// A consistent query of the commits of a stream whose versions match the condition.
    fn query(&self, stream: &str, comparison: &str, version: u64) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression(format!(
                "#stream = :stream AND version {comparison} :version"
            ))
            // `version` is a reserved word.
            .expression_attribute_names("#stream", "stream")
            .expression_attribute_values(":stream", AttributeValue::S(stream.to_owned()))
            .expression_attribute_values(":version", number(version))
    }
}

impl<E: Upcast + Send + Sync> EventStore<E> for DynamoStore {
    async fn load(&self, stream: &str, after: u64) -> Result<Vec<Commit<E>>, StoreError> {
        // The key of a commit is its first event, so all commits after `after` have a higher key.
        let mut pages = self.query(stream, ">", after).into_paginator().send();
        let mut commits = Vec::new();
        // Every page, because a long stream exceeds the 1 MB of one response.
        while let Some(page) = pages.next().await {
            commits.extend(read_commits(page.map_err(failed)?)?);
        }
        Ok(commits)
    }

    async fn load_back(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Commit<E>>, StoreError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let page = self.query(stream, "<=", from).scan_index_forward(false).limit(limit).send();
        read_commits(page.await.map_err(failed)?)
    }

    async fn append(&self, stream: &str, commit: Commit<E>) -> Result<(), StoreError> {
        let mut item = CommitItem::new(stream, &commit).map_err(corrupt)?;
        if item.snapshot.as_ref().is_some_and(|it| it.len() + item.events.len() > MAX_ITEM_BYTES) {
            tracing::warn!(stream, version = commit.version, "no room for the snapshot");
            item.snapshot = None;
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(serde_dynamo::to_item(&item).map_err(corrupt)?))
            .condition_expression("attribute_not_exists(version)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call("dynamodb:PutItem", &self.table, put.send()).await {
            Ok(_) => Ok(()),
            Err(error) => match winner(&error) {
                // The SDK retries a put whose response was lost, so the existing item may be our own. The event ids identify it;
                // the command id does not, because a command may be executed twice concurrently.
                Some(events) if events == item.events => Ok(()),
                Some(_) => Err(StoreError::Conflict),
                None => Err(failed(error)),
            },
        }
    }
}

fn read_commits<E: Upcast>(page: QueryOutput) -> Result<Vec<Commit<E>>, StoreError> {
    let items = page.items.unwrap_or_default().into_iter();
    items.map(read_commit).collect()
}

fn read_commit<E: Upcast>(item: HashMap<String, AttributeValue>) -> Result<Commit<E>, StoreError> {
    let item: CommitItem = serde_dynamo::from_item(item).map_err(corrupt)?;
    item.commit().map_err(corrupt)
}

impl Streams for DynamoStore {
    /// Reads the whole table, 1 MB a page, for a rebuild.
    async fn streams(&self, after: Option<&str>) -> Result<StreamsPage, StoreError> {
        let page = self
            .client
            .scan()
            .table_name(&self.table)
            // Consistent, because a stream that was just created must be listed.
            .consistent_read(true)
            // Each stream has exactly one such commit, so it is listed once.
            .filter_expression("version = :first")
            .expression_attribute_values(":first", number(1))
            .projection_expression("#stream")
            .expression_attribute_names("#stream", "stream")
            .set_exclusive_start_key(after.map(read_position).transpose()?)
            .send()
            .await
            .map_err(failed)?;
        let names = page.items.unwrap_or_default();
        let names = names.iter().filter_map(|item| item.get("stream")?.as_s().ok().cloned());
        let next = page.last_evaluated_key.as_ref().map(position).transpose()?;
        Ok(StreamsPage { streams: names.collect(), next })
    }
}

/// The number of commits in a page: a page must be published within one invocation.
const COMMITS_PAGE: i32 = 500;

impl<E: Upcast + Send + Sync> Log<E> for DynamoStore {
    async fn commits(&self, after: Option<&str>) -> Result<CommitsPage<E>, StoreError> {
        let page = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(COMMITS_PAGE)
            .set_exclusive_start_key(after.map(read_position).transpose()?)
            .send()
            .await
            .map_err(failed)?;
        let next = page.last_evaluated_key.as_ref().map(position).transpose()?;
        let mut commits = Vec::new();
        for item in page.items.unwrap_or_default() {
            let stream = item.get("stream").and_then(|it| it.as_s().ok()).cloned();
            match (stream, read_commit(item)) {
                (Some(stream), Ok(commit)) => commits.push((stream, commit)),
                (stream, read) => {
                    let error = read.err();
                    tracing::error!(stream, ?error, "unreadable commit skipped");
                }
            }
        }
        Ok(CommitsPage { commits, next })
    }
}

/// A key of the table as a token. The name comes last, because it may contain any character.
fn position(key: &HashMap<String, AttributeValue>) -> Result<String, StoreError> {
    let stream = key.get("stream").and_then(|it| it.as_s().ok());
    let version = key.get("version").and_then(|it| it.as_n().ok());
    let (Some(stream), Some(version)) = (stream, version) else { return Err(no_position()) };
    Ok(format!("{version} {stream}"))
}

fn read_position(position: &str) -> Result<HashMap<String, AttributeValue>, StoreError> {
    let (version, stream) = position.split_once(' ').ok_or_else(no_position)?;
    Ok(HashMap::from([
        ("stream".to_owned(), AttributeValue::S(stream.to_owned())),
        ("version".to_owned(), AttributeValue::N(version.to_owned())),
    ]))
}

fn no_position() -> StoreError {
    StoreError::Corrupt("position is none of this store's".into())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The events of the existing item, if the condition failed.
fn winner(error: &SdkError<PutItemError>) -> Option<&str> {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(failed)) => {
            let events = failed.item().and_then(|item| item.get("events"));
            Some(events.and_then(|it| it.as_s().ok()).map_or("", String::as_str))
        }
        _ => None,
    }
}

/// The error for a failure that is not a conflict.
fn failed<E>(error: SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match error.code() {
        Some("TransactionConflictException") => StoreError::TransactionConflict(Box::new(error)),
        Some(
            "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ThrottlingException",
        ) => StoreError::Throttled(Box::new(error)),
        _ => StoreError::Unavailable(Box::new(error)),
    }
}

fn corrupt(error: impl StdError + Send + Sync + 'static) -> StoreError {
    StoreError::Corrupt(Box::new(error))
}
