//! Streams in one DynamoDB table.
//!
//! | stream | version            | last | command | at       | correlation | causation | events     |
//! | ------ | ------------------ | ---- | ------- | -------- | ----------- | --------- | ---------- |
//! | id     | 1, 3, 4 … (number) | 2 …  | UUID    | RFC 3339 | UUID        | UUID      | JSON array |
//!
//! An append is one conditional put of one item, the commit: atomic, one write unit for up to 1 KB, whatever the number
//! of its events. Two writers that have read the same version collide on the key of the next one, so one of them gets
//! [`StoreError::Conflict`] and nothing of its commit is stored.

use std::collections::HashMap;
use std::error::Error as StdError;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::item::CommitItem;
use crate::store::{Commit, EventStore, StoreError, Streams, StreamsPage};

/// Keeps streams in one table.
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

    /// Opens the connection, so that the first call need not.
    ///
    /// # Errors
    ///
    /// If the table can't be read.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        let get = self.client.get_item().table_name(&self.table);
        let get =
            get.key("stream", AttributeValue::S("warm-up".to_owned())).key("version", number(1));
        get.send().await.map(drop).map_err(unavailable)
    }
}

impl<E: Serialize + DeserializeOwned + Send + Sync> EventStore<E> for DynamoStore {
    async fn load(&self, stream: &str, after: u64) -> Result<Vec<Commit<E>>, StoreError> {
        let mut commits = Vec::new();
        // A commit is keyed by its first event, so those after `after` begin behind it: commits are read whole.
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#stream = :stream AND version > :after")
            // A reserved word.
            .expression_attribute_names("#stream", "stream")
            .expression_attribute_values(":stream", AttributeValue::S(stream.to_owned()))
            .expression_attribute_values(":after", number(after))
            .into_paginator()
            .send();
        // Every page: a long stream does not fit into the 1 MB of one answer.
        while let Some(page) = pages.next().await {
            for item in page.map_err(unavailable)?.items.unwrap_or_default() {
                let item: CommitItem = serde_dynamo::from_item(item).map_err(corrupt)?;
                commits.push(item.commit().map_err(corrupt)?);
            }
        }
        Ok(commits)
    }

    async fn append(&self, stream: &str, commit: Commit<E>) -> Result<(), StoreError> {
        let command_id = commit.command_id.to_string();
        let item = CommitItem::new(stream, &commit).map_err(corrupt)?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(serde_dynamo::to_item(item).map_err(corrupt)?))
            .condition_expression("attribute_not_exists(version)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) => match winner(&error) {
                // The SDK sends a put again whose answer was lost: the winner may be ourselves.
                Some(winner) if winner == command_id => Ok(()),
                Some(_) => Err(StoreError::Conflict),
                None => Err(unavailable(error)),
            },
        }
    }
}

impl Streams for DynamoStore {
    /// Reads the whole table, a megabyte a page: for a rebuild, which reads it anyway.
    async fn streams(&self, after: Option<&str>) -> Result<StreamsPage, StoreError> {
        let page = self
            .client
            .scan()
            .table_name(&self.table)
            // Or a stream that has just begun would not be named.
            .consistent_read(true)
            // Each stream has one such commit, so that it is named once.
            .filter_expression("version = :first")
            .expression_attribute_values(":first", number(1))
            .projection_expression("#stream")
            .expression_attribute_names("#stream", "stream")
            .set_exclusive_start_key(after.map(read_position).transpose()?)
            .send()
            .await
            .map_err(unavailable)?;
        let names = page.items.unwrap_or_default();
        let names = names.iter().filter_map(|item| item.get("stream")?.as_s().ok().cloned());
        let next = page.last_evaluated_key.as_ref().map(position).transpose()?;
        Ok(StreamsPage { streams: names.collect(), next })
    }
}

/// A key of the table as a text; the name comes last, since it may hold anything.
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

/// The command whose commit stood in the way, if the condition has failed.
fn winner(error: &SdkError<PutItemError>) -> Option<&str> {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(failed)) => {
            let command = failed.item().and_then(|item| item.get("command"));
            Some(command.and_then(|it| it.as_s().ok()).map_or("", String::as_str))
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
