//! The index of due bills: the secondary index `by-due` of the table that `outbox::dynamodb` writes.
//!
//! | due              | due_at          | id        |
//! | ---------------- | --------------- | --------- |
//! | `due#0`..`due#3` | seconds, number | reference |
//!
//! The index is sparse: a bill has the two attributes only while it has a time to be reconciled at.

use std::error::Error as StdError;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use outbox::state::StoreError;

use crate::payment_service::DUE_PARTITIONS;
use crate::ports::{DueBill, DueBills};

/// Queries the index of one table.
#[derive(Clone, Debug)]
pub struct DynamoDueBills {
    client: Client,
    table: String,
}

impl DynamoDueBills {
    /// Uses the index of an existing table.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

impl DueBills for DynamoDueBills {
    async fn due_before(&self, seconds: i64) -> Result<Vec<DueBill>, StoreError> {
        let mut due = Vec::new();
        for partition in 0..DUE_PARTITIONS {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("by-due")
                .key_condition_expression("due = :partition AND due_at < :seconds")
                .expression_attribute_values(
                    ":partition",
                    AttributeValue::S(format!("due#{partition}")),
                )
                .expression_attribute_values(":seconds", AttributeValue::N(seconds.to_string()));
            let mut items = query.into_paginator().items().send();
            while let Some(item) = items.next().await {
                let item = item.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
                let id =
                    item.get("id").and_then(|it| it.as_s().ok()).ok_or_else(|| missing("id"))?;
                let at = item.get("due_at").and_then(|it| it.as_n().ok());
                due.push(DueBill {
                    reference: id.parse().map_err(corrupt)?,
                    at_seconds: at.ok_or_else(|| missing("due_at"))?.parse().map_err(corrupt)?,
                });
            }
        }
        due.sort_by_key(|bill| (bill.at_seconds, bill.reference));
        Ok(due)
    }
}

fn corrupt(error: impl StdError + Send + Sync + 'static) -> StoreError {
    StoreError::Corrupt(Box::new(error))
}

fn missing(attribute: &str) -> StoreError {
    StoreError::Corrupt(format!("item has no `{attribute}`").into())
}
