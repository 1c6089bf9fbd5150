//! Views in a DynamoDB table.
//!
//! | id                  | version | row         | position | one attribute per index      |
//! | ------------------- | ------- | ----------- | -------- | ---------------------------- |
//! | `<generation>#<id>` | 1, 2, … | row as JSON | sort key | `<generation>#<partition>`   |
//!
//! | id            | revision | control | measured_at, behind | `stuck#<record>`          |
//! | ------------- | -------- | ------- | ------------------- | ------------------------- |
//! | `!projection` | 1, 2, …  | JSON    | ms, s               | when it was written, ms   |
//!
//! | caller             | operation                       | request                                                 |
//! | ------------------ | ------------------------------- | ------------------------------------------------------- |
//! | query, projector   | read one row                    | `GetItem` on the key, consistent                        |
//! | query              | read a partition in order       | `Query` on an index: partition, then `position`         |
//! | query, once a second; projector, once a batch | read the state | `GetItem` on `!projection`, consistent      |
//! | projector, rebuild | upsert a row                    | one `PutItem`, conditional on `version < :version`      |
//! | projector          | report the lag                  | one `UpdateItem` of `!projection`, without a condition  |
//! | rebuild            | update the state                | one `UpdateItem`, conditional on its `revision`         |
//! | rebuild            | read every row of a generation  | `Scan` with a filter: it reads the whole table          |
//!
//! A view without generations ([`DynamoView::new`]) has plain keys and partitions. Each index has its own partition
//! attribute, and sorts by `position`. Rows in parts have `part#<name>` and `version#<name>` instead of `row` and
//! `version`.

use std::collections::HashMap;
use std::error::Error as StdError;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValuesOnConditionCheckFailure as OnFailure, Select,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::generation::{Generations, ListedRow, ProjectionState, ProjectionStateStore, RowsPage};
use crate::lag::{Lag, LagReport};
use crate::parts::{Composite, Parts};
use crate::view::{Order, Positioned, Range, Reader, Row, Versioned, View, ViewError};

/// The key of the state. No row has it, because a row's key begins with a number.
const STATE_KEY: &str = "!projection";
/// How many rows are deleted concurrently. Garbage collection is not urgent.
const CONCURRENCY: usize = 8;

/// Stores the rows of one view, or of one generation of a view.
#[derive(Clone, Debug)]
pub struct DynamoView {
    client: Client,
    table: String,
    /// The prefix of keys and partitions.
    prefix: String,
}

/// Stores the generations of one view in one table.
#[derive(Clone, Debug)]
pub struct DynamoGenerations {
    client: Client,
    table: String,
}

impl DynamoView {
    /// Uses an existing table for a view without generations.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, prefix: String::new() }
    }

    /// Opens the connection during init, so that the first request does not wait for it.
    ///
    /// # Errors
    ///
    /// If the table can't be read.
    pub async fn warm_up(&self) -> Result<(), ViewError> {
        let get = self.client.get_item().table_name(&self.table);
        get.key("id", text("warm-up")).send().await.map(drop).map_err(unavailable)
    }

    fn prefixed(&self, name: &str) -> AttributeValue {
        text(&format!("{}{name}", self.prefix))
    }

    /// The index attributes of a row. The partition belongs to the generation, the position to the row.
    fn index<'a, R: Row>(&'a self, row: &R) -> impl Iterator<Item = (String, AttributeValue)> + 'a {
        row.index().into_iter().map(|(name, value)| {
            let value = if name == "position" { text(&value) } else { self.prefixed(&value) };
            (name.to_owned(), value)
        })
    }

    fn query(
        &self,
        range: Range<'_>,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let mut condition = "#partition = :partition".to_owned();
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(range.index)
            .scan_index_forward(range.order == Order::Ascending)
            .limit(i32::try_from(range.limit).unwrap_or(i32::MAX))
            .expression_attribute_names("#partition", range.attribute)
            .expression_attribute_values(":partition", self.prefixed(range.partition));
        if let Some(after) = range.after {
            condition.push_str(match range.order {
                Order::Ascending => " AND #position > :after",
                Order::Descending => " AND #position < :after",
            });
            query = query
                .expression_attribute_names("#position", "position")
                .expression_attribute_values(":after", text(after));
        }
        query.key_condition_expression(condition)
    }
}

impl DynamoGenerations {
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
    pub async fn warm_up(&self) -> Result<(), ViewError> {
        self.state().await.map(drop)
    }

    fn view(&self, generation: u64) -> DynamoView {
        let prefix = prefix(generation);
        DynamoView { client: self.client.clone(), table: self.table.clone(), prefix }
    }
}

type Item = HashMap<String, AttributeValue>;

impl<R: Row> Reader<R> for DynamoView {
    async fn get(&self, id: &str) -> Result<Option<Versioned<R>>, ViewError> {
        let get = self.client.get_item().table_name(&self.table).key("id", self.prefixed(id));
        // A client reads its own write, so an eventually consistent replica is not enough.
        let got = get.consistent_read(true).send().await.map_err(unavailable)?;
        let Some(item) = got.item else { return Ok(None) };
        Ok(Some(Versioned { version: version(&item)?, row: row(&item)? }))
    }

    async fn list(&self, range: Range<'_>) -> Result<Vec<Positioned<R>>, ViewError> {
        let mut rows = Vec::new();
        let mut pages = self.query(range).into_paginator().send();
        // A page ends at 1 MB, so a full list may take several pages.
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

    async fn count(&self, range: Range<'_>) -> Result<usize, ViewError> {
        let mut count = 0;
        let mut pages = self.query(range).select(Select::Count).into_paginator().send();
        while count < range.limit
            && let Some(page) = pages.next().await
        {
            count += usize::try_from(page.map_err(unavailable)?.count()).unwrap_or(0);
        }
        Ok(count.min(range.limit))
    }
}

impl<R: Row> View<R> for DynamoView {
    async fn upsert_if_newer(&self, id: &str, version: u64, row: &R) -> Result<bool, ViewError> {
        let mut item = Item::from([
            ("id".to_owned(), self.prefixed(id)),
            ("version".to_owned(), number(version)),
            ("row".to_owned(), AttributeValue::S(serde_json::to_string(row).map_err(corrupt)?)),
        ]);
        item.extend(self.index(row));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(id) OR version < :version")
            .expression_attribute_values(":version", number(version));
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
}

impl Parts for DynamoView {
    async fn upsert_part_if_newer<P: Row>(
        &self,
        id: &str,
        part: &'static str,
        version: u64,
        row: &P,
    ) -> Result<bool, ViewError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", self.prefixed(id))
            .condition_expression("attribute_not_exists(#version) OR #version < :version")
            .expression_attribute_names("#part", format!("{PART}{part}"))
            .expression_attribute_names("#version", format!("{PART_VERSION}{part}"))
            .expression_attribute_values(
                ":part",
                text(&serde_json::to_string(row).map_err(corrupt)?),
            )
            .expression_attribute_values(":version", number(version));
        let mut set = "SET #part = :part, #version = :version".to_owned();
        for (place, (name, value)) in self.index(row).enumerate() {
            set.push_str(&format!(", #i{place} = :i{place}"));
            update = update
                .expression_attribute_names(format!("#i{place}"), name)
                .expression_attribute_values(format!(":i{place}"), value);
        }
        match update.update_expression(set).send().await {
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

    async fn get_parts(&self, id: &str) -> Result<Composite, ViewError> {
        let get = self.client.get_item().table_name(&self.table).key("id", self.prefixed(id));
        let got = get.consistent_read(true).send().await.map_err(unavailable)?;
        let item = got.item.unwrap_or_default();
        let mut composite = Composite::default();
        for name in item.keys().filter_map(|it| it.strip_prefix(PART)) {
            let row = serde_json::from_str(field(&item, &format!("{PART}{name}"))?);
            let version = field(&item, &format!("{PART_VERSION}{name}"))?.parse();
            let part = Versioned { version: version.map_err(corrupt)?, row: row.map_err(corrupt)? };
            composite.parts.insert(name.to_owned(), part);
        }
        Ok(composite)
    }
}

impl ProjectionStateStore for DynamoGenerations {
    async fn state(&self) -> Result<(ProjectionState, Lag), ViewError> {
        let get = self.client.get_item().table_name(&self.table).key("id", text(STATE_KEY));
        // A rebuild relies on seeing every earlier update, so an eventually consistent replica is not enough.
        let got = get.consistent_read(true).send().await.map_err(unavailable)?;
        let item = got.item.unwrap_or_default();
        let state = match item.get("control") {
            Some(_) => serde_json::from_str(field(&item, "control")?).map_err(corrupt)?,
            None => ProjectionState::default(),
        };
        Ok((state, lag(&item)?))
    }

    async fn update_state(&self, next: &ProjectionState) -> Result<bool, ViewError> {
        let document = serde_json::to_string(next).map_err(corrupt)?;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(STATE_KEY))
            .update_expression("SET revision = :next, control = :control")
            .expression_attribute_values(":next", number(next.revision))
            .expression_attribute_values(":control", text(&document));
        let update = if next.revision == 1 {
            update.condition_expression("attribute_not_exists(revision)")
        } else {
            update
                .condition_expression("revision = :last")
                .expression_attribute_values(":last", number(next.revision - 1))
        };
        let update = update.return_values_on_condition_check_failure(OnFailure::AllOld);
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                // The SDK retries an update whose response was lost, so the conflicting item may be our own.
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let found = failed.item().and_then(|it| it.get("control")?.as_s().ok());
                    Ok(found == Some(&document))
                }
                Some(_) | None => Err(unavailable(error)),
            },
        }
    }

    async fn report_lag(&self, report: &LagReport) -> Result<(), ViewError> {
        let mut update =
            self.client.update_item().table_name(&self.table).key("id", text(STATE_KEY));
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        if let Some((at, behind_seconds)) = report.measured {
            set.push("measured_at = :at, behind = :behind".to_owned());
            update = update
                .expression_attribute_values(":at", millis(at))
                .expression_attribute_values(":behind", number(behind_seconds));
        }
        if let Some((record, since)) = &report.blocked {
            set.push("#stuck = :since".to_owned());
            update = update
                .expression_attribute_names("#stuck", format!("{STUCK}{record}"))
                .expression_attribute_values(":since", millis(*since));
        }
        for (place, record) in report.unblocked.iter().enumerate() {
            remove.push(format!("#unblocked{place}"));
            update = update.expression_attribute_names(
                format!("#unblocked{place}"),
                format!("{STUCK}{record}"),
            );
        }
        let mut expression = String::new();
        for (keyword, parts) in [("SET", set), ("REMOVE", remove)] {
            if !parts.is_empty() {
                expression.push_str(&format!(" {keyword} {}", parts.join(", ")));
            }
        }
        if expression.is_empty() {
            return Ok(());
        }
        let update = update.update_expression(expression.trim());
        update.send().await.map(drop).map_err(unavailable)
    }

    async fn collect_garbage(
        &self,
        kept: &[u64],
        newest: u64,
        after: Option<&str>,
    ) -> Result<Option<String>, ViewError> {
        let page = self
            .client
            .scan()
            .table_name(&self.table)
            .projection_expression("id")
            .set_exclusive_start_key(after.map(key))
            .send()
            .await
            .map_err(unavailable)?;
        let next = page.last_evaluated_key.as_ref().map(|it| field(it, "id").map(str::to_owned));
        let dropped = page.items.unwrap_or_default().into_iter().filter(|item| {
            let generation = item.get("id").and_then(|it| generation_of(it.as_s().ok()?));
            generation.is_some_and(|it| it <= newest && !kept.contains(&it))
        });
        let deletes = stream::iter(dropped).map(async |item| {
            let delete = self.client.delete_item().table_name(&self.table).set_key(Some(item));
            delete.send().await.map(drop).map_err(unavailable)
        });
        deletes.buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        next.transpose()
    }
}

impl<R: Row> Generations<R> for DynamoGenerations {
    type View = DynamoView;

    fn generation(&self, number: u64) -> DynamoView {
        self.view(number)
    }

    async fn rows(&self, generation: u64, after: Option<&str>) -> Result<RowsPage<R>, ViewError> {
        let prefix = prefix(generation);
        let page = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .filter_expression("begins_with(id, :prefix)")
            .expression_attribute_values(":prefix", text(&prefix))
            .set_exclusive_start_key(after.map(key))
            .send()
            .await
            .map_err(unavailable)?;
        let next = page.last_evaluated_key.as_ref().map(|it| field(it, "id").map(str::to_owned));
        let mut rows = Vec::new();
        for item in page.items.unwrap_or_default() {
            let id = field(&item, "id")?;
            let id = id.strip_prefix(&prefix).unwrap_or(id).to_owned();
            rows.push(ListedRow { id, version: version(&item)?, row: row(&item).ok() });
        }
        Ok(RowsPage { rows, next: next.transpose()? })
    }
}

/// Prefixes of attributes; no attribute of a row or an index begins with one.
const PART: &str = "part#";
const PART_VERSION: &str = "version#";
const STUCK: &str = "stuck#";

/// The separator `#` keeps `1` from being a prefix of `11`.
fn prefix(generation: u64) -> String {
    format!("{generation}#")
}

fn generation_of(id: &str) -> Option<u64> {
    id.split_once('#')?.0.parse().ok()
}

fn key(id: &str) -> Item {
    Item::from([("id".to_owned(), text(id))])
}

fn lag(item: &Item) -> Result<Lag, ViewError> {
    let mut lag = Lag::default();
    if item.contains_key("measured_at") {
        lag.measured_at = Some(time(field(item, "measured_at")?)?);
        lag.behind_seconds = field(item, "behind")?.parse().map_err(corrupt)?;
    }
    for record in item.keys().filter_map(|it| it.strip_prefix(STUCK)) {
        let since = time(field(item, &format!("{STUCK}{record}"))?)?;
        lag.blocked.insert(record.to_owned(), since);
    }
    Ok(lag)
}

fn time(millis: &str) -> Result<Timestamp, ViewError> {
    Timestamp::from_millisecond(millis.parse().map_err(corrupt)?).map_err(corrupt)
}

fn millis(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.as_millisecond().to_string())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
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

fn field<'a>(item: &'a Item, name: &str) -> Result<&'a str, ViewError> {
    let value = item.get(name).and_then(|it| it.as_s().or_else(|_| it.as_n()).ok());
    value.map(String::as_str).ok_or_else(|| ViewError::Corrupt(format!("no `{name}`").into()))
}

fn unavailable(error: impl StdError + Send + Sync + 'static) -> ViewError {
    ViewError::Unavailable(Box::new(error))
}

fn corrupt(error: impl StdError + Send + Sync + 'static) -> ViewError {
    ViewError::Corrupt(Box::new(error))
}
