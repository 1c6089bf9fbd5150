//! The ledger in DynamoDB.
//!
//! | reference (S) | entry (S)      | the rest                                                         |
//! | ------------- | -------------- | ---------------------------------------------------------------- |
//! | `<reference>` | `charge#<key>` | `revision` (N), `status` (S), and the fields of [`Entry`]         |
//! | `key#<key>`   | `binding`      | `bound_to` (S): the reference that claimed the key first         |
//!
//! A reference contains no `#`, so no binding is listed as an entry. Both writes are conditional, and the SDK may repeat both
//! when a response is lost: a repeated binding finds the right reference, and a repeated save is a conflict, after which the
//! caller reads its own entry.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use serde_dynamo::{from_item, to_item};
use trace_context::call;

use crate::domain::{Entry, Key, Reference};
use crate::ledger::{Ledger, LedgerError, Revision};

const BINDING: &str = "binding";

/// Stores entries in one table.
#[derive(Clone, Debug)]
pub struct DynamoLedger {
    client: Client,
    table: String,
}

#[derive(Serialize, Deserialize)]
struct Item {
    reference: Reference,
    /// `charge#<key>`.
    entry: String,
    revision: u64,
    #[serde(flatten)]
    state: Entry,
}

impl DynamoLedger {
    /// Uses an existing table.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Reads an item that does not exist, so that the connection is open before the first request.
    ///
    /// # Errors
    ///
    /// Fails when the table cannot be read.
    pub async fn warm_up(&self) -> Result<(), LedgerError> {
        let absent = AttributeValue::S("#".to_owned());
        let get = self.client.get_item().table_name(&self.table);
        get.key("reference", absent.clone())
            .key("entry", absent)
            .send()
            .await
            .map(drop)
            .map_err(unavailable)
    }
}

impl Ledger for DynamoLedger {
    async fn bind(&self, key: &Key, reference: &Reference) -> Result<bool, LedgerError> {
        let bound_to = AttributeValue::S(reference.to_string());
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("reference", AttributeValue::S(format!("key#{key}")))
            .item("entry", AttributeValue::S(BINDING.to_owned()))
            .item("bound_to", bound_to.clone())
            .condition_expression("attribute_not_exists(#entry) OR bound_to = :reference")
            .expression_attribute_names("#entry", "entry")
            .expression_attribute_values(":reference", bound_to);
        match call("dynamodb:PutItem", &self.table, put.send()).await {
            Ok(_) => Ok(true),
            Err(error) if condition_failed(&error) => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn load(
        &self,
        reference: &Reference,
        key: &Key,
    ) -> Result<(Entry, Revision), LedgerError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            // A decision must be based on the current entry.
            .consistent_read(true)
            .key("reference", AttributeValue::S(reference.to_string()))
            .key("entry", AttributeValue::S(sort_key(key)));
        match get.send().await.map_err(unavailable)?.item {
            Some(item) => {
                let item = read(item)?;
                Ok((item.state, Revision(item.revision)))
            }
            None => Ok((Entry::Absent, Revision::default())),
        }
    }

    async fn save(
        &self,
        reference: &Reference,
        key: &Key,
        entry: &Entry,
        expected: Revision,
    ) -> Result<(), LedgerError> {
        let item = Item {
            reference: reference.clone(),
            entry: sort_key(key),
            revision: expected.0 + 1,
            state: entry.clone(),
        };
        let put = self.client.put_item().table_name(&self.table);
        let put = put.set_item(Some(to_item(item).map_err(corrupt)?));
        let put = if expected == Revision::default() {
            put.condition_expression("attribute_not_exists(#entry)")
                .expression_attribute_names("#entry", "entry")
        } else {
            put.condition_expression("revision = :expected")
                .expression_attribute_values(":expected", AttributeValue::N(expected.0.to_string()))
        };
        match call("dynamodb:PutItem", &self.table, put.send()).await {
            Ok(_) => Ok(()),
            Err(error) if condition_failed(&error) => Err(LedgerError::Conflict),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn entries(&self, reference: &Reference) -> Result<Vec<(Key, Entry)>, LedgerError> {
        let mut entries = Vec::new();
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#reference = :reference")
            .expression_attribute_names("#reference", "reference")
            .expression_attribute_values(":reference", AttributeValue::S(reference.to_string()))
            .into_paginator()
            .send();
        // Every page: one response has at most 1 MiB.
        while let Some(page) = pages.next().await {
            for item in page.map_err(unavailable)?.items.unwrap_or_default() {
                let item = read(item)?;
                let key = item.entry.strip_prefix("charge#").unwrap_or_default();
                entries.push((key.parse().map_err(corrupt)?, item.state));
            }
        }
        Ok(entries)
    }
}

fn sort_key(key: &Key) -> String {
    format!("charge#{key}")
}

fn read(item: HashMap<String, AttributeValue>) -> Result<Item, LedgerError> {
    from_item(item).map_err(corrupt)
}

fn condition_failed(error: &SdkError<PutItemError>) -> bool {
    error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception)
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> LedgerError {
    LedgerError::Unavailable(Box::new(error))
}

fn corrupt(error: impl std::error::Error + Send + Sync + 'static) -> LedgerError {
    LedgerError::Corrupt(Box::new(error))
}
