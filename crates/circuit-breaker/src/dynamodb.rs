//! A store in a DynamoDB table.
//!
//! | name | version | write  | state              | shared |
//! | ---- | ------- | ------ | ------------------ | ------ |
//! | key  | 1, 2, … | number | `closed`, `open` … | JSON   |
//!
//! | what   | how                                                                | costs                             |
//! | ------ | ------------------------------------------------------------------ | --------------------------------- |
//! | `load` | `GetItem`, consistent                                              | a read unit                       |
//! | `swap` | `PutItem` if `version` is the expected one; else returns the item  | one or two write units; also if it fails |
//!
//! There is one item for each breaker, of at most about 2 KB. `shared` is authoritative. `state` and `version` repeat parts of
//! it for the condition and for people who read the table. Reads are consistent, so that an override applies in time.

use std::collections::HashMap;
use std::error::Error as StdError;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use crate::shared_state::{EffectiveState, SharedState};
use crate::store::{Store, StoreError, Swapped};

/// Stores breakers in one table.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Client,
    table: String,
}

type Item = HashMap<String, AttributeValue>;

impl DynamoStore {
    /// Uses an existing table.
    ///
    /// Configure the client for one attempt, or few: a call does not wait longer than `store_deadline_ms` in any case.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

impl Store for DynamoStore {
    async fn load(&self, name: &str) -> Result<Option<SharedState>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let got = get.key("name", AttributeValue::S(name.to_owned())).send().await;
        got.map_err(failed)?.item.as_ref().map(read).transpose()
    }

    async fn swap(
        &self,
        name: &str,
        expected: u64,
        next: &SharedState,
    ) -> Result<Swapped, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(name, next)?))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            // `name` is a reserved word of DynamoDB.
            .expression_attribute_names("#name", "name");
        let put = if expected == 0 {
            put.condition_expression("attribute_not_exists(#name)")
        } else {
            put.condition_expression("attribute_exists(#name) AND version = :expected")
                .expression_attribute_values(":expected", number(expected))
        };
        let Err(error) = put.send().await else { return Ok(Swapped::Done) };
        match stored(&error) {
            Some(stored) => {
                let stored = stored.map(read).transpose()?.unwrap_or_default();
                // The SDK repeats a put whose response was lost, so the winner may be this very write.
                Ok(match stored.write == next.write {
                    true => Swapped::Done,
                    false => Swapped::Lost(Box::new(stored)),
                })
            }
            None => Err(failed(error)),
        }
    }
}

fn item(name: &str, shared: &SharedState) -> Result<Item, StoreError> {
    let state = match shared.effective_state() {
        EffectiveState::Closed => "closed",
        EffectiveState::Open => "open",
        EffectiveState::HalfOpen => "half_open",
        EffectiveState::ForcedOpen => "forced_open",
        EffectiveState::ForcedClosed => "forced_closed",
        EffectiveState::Disabled => "disabled",
    };
    let text = serde_json::to_string(shared).map_err(corrupt)?;
    Ok(HashMap::from([
        ("name".to_owned(), AttributeValue::S(name.to_owned())),
        ("version".to_owned(), number(shared.version)),
        ("write".to_owned(), number(shared.write)),
        ("state".to_owned(), AttributeValue::S(state.to_owned())),
        ("shared".to_owned(), AttributeValue::S(text)),
    ]))
}

fn read(item: &Item) -> Result<SharedState, StoreError> {
    let text = item.get("shared").and_then(|it| it.as_s().ok());
    let text = text.ok_or_else(|| StoreError::Corrupt("item has no state".into()))?;
    serde_json::from_str(text).map_err(corrupt)
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The stored item, if the condition failed; the inner `None` if no item is stored.
fn stored(error: &SdkError<PutItemError>) -> Option<Option<&Item>> {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(failed)) => Some(failed.item()),
        _ => None,
    }
}

fn failed<E>(error: SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match error.code() {
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
