//! Views in a DynamoDB table.
//!
//! | id  | version | row         | position | one attribute per index |
//! | --- | ------- | ----------- | -------- | ----------------------- |
//! | key | 1, 2, … | row as JSON | sort key | partition key           |
//!
//! A row is advanced by one conditional put. Each index has its own partition attribute and sorts by `position`.

use std::collections::HashMap;
use std::error::Error as StdError;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;

use crate::view::{Order, Positioned, Range, Row, Versioned, View, ViewError};

/// Keeps the rows of one view in one table.
#[derive(Clone, Debug)]
pub struct DynamoView {
    client: Client,
    table: String,
}

impl DynamoView {
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
    pub async fn warm_up(&self) -> Result<(), ViewError> {
        let get = self.client.get_item().table_name(&self.table);
        get.key("id", text("warm-up")).send().await.map(drop).map_err(unavailable)
    }
}

type Item = HashMap<String, AttributeValue>;

impl<R: Row> View<R> for DynamoView {
    async fn get(&self, id: &str) -> Result<Option<Versioned<R>>, ViewError> {
        let get = self.client.get_item().table_name(&self.table).key("id", text(id));
        // A client that reads its own write must not be served by a replica that has not seen it.
        let got = get.consistent_read(true).send().await.map_err(unavailable)?;
        let Some(item) = got.item else { return Ok(None) };
        Ok(Some(Versioned { version: version(&item)?, row: row(&item)? }))
    }

    async fn advance(&self, id: &str, version: u64, row: &R) -> Result<bool, ViewError> {
        let mut item = Item::from([
            ("id".to_owned(), text(id)),
            ("version".to_owned(), AttributeValue::N(version.to_string())),
            ("row".to_owned(), AttributeValue::S(serde_json::to_string(row).map_err(corrupt)?)),
        ]);
        item.extend(row.index().into_iter().map(|(name, value)| (name.to_owned(), text(&value))));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(id) OR version < :version")
            .expression_attribute_values(":version", AttributeValue::N(version.to_string()));
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => {
                let service = error.as_service_error();
                if service.is_some_and(|it| it.is_conditional_check_failed_exception()) {
                    return Ok(false);
                }
                Err(unavailable(error))
            }
        }
    }

    async fn list(&self, range: Range<'_>) -> Result<Vec<Positioned<R>>, ViewError> {
        let mut condition = "#partition = :partition".to_owned();
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(range.index)
            .scan_index_forward(range.order == Order::Ascending)
            .limit(i32::try_from(range.limit).unwrap_or(i32::MAX))
            .expression_attribute_names("#partition", range.attribute)
            .expression_attribute_values(":partition", text(range.partition));
        if let Some(after) = range.after {
            condition.push_str(match range.order {
                Order::Ascending => " AND #position > :after",
                Order::Descending => " AND #position < :after",
            });
            query = query
                .expression_attribute_names("#position", "position")
                .expression_attribute_values(":after", text(after));
        }
        let mut rows = Vec::new();
        let mut pages = query.key_condition_expression(condition).into_paginator().send();
        // A page ends at 1 MB, so that a full list may take several.
        while rows.len() < range.limit
            && let Some(page) = pages.next().await
        {
            for item in page.map_err(unavailable)?.items() {
                rows.push(Positioned {
                    position: field(item, "position")?.to_owned(),
                    version: version(item)?,
                    row: row(item)?,
                });
            }
        }
        rows.truncate(range.limit);
        Ok(rows)
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn row<R: DeserializeOwned>(item: &Item) -> Result<R, ViewError> {
    serde_json::from_str(field(item, "row")?).map_err(corrupt)
}

fn version(item: &Item) -> Result<u64, ViewError> {
    field(item, "version")?.parse().map_err(corrupt)
}

fn field<'a>(item: &'a Item, name: &'static str) -> Result<&'a str, ViewError> {
    let value = item.get(name).and_then(|it| it.as_s().or_else(|_| it.as_n()).ok());
    value.map(String::as_str).ok_or_else(|| ViewError::Corrupt(format!("no `{name}`").into()))
}

fn unavailable(error: impl StdError + Send + Sync + 'static) -> ViewError {
    ViewError::Unavailable(Box::new(error))
}

fn corrupt(error: impl StdError + Send + Sync + 'static) -> ViewError {
    ViewError::Corrupt(Box::new(error))
}
