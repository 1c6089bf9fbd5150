//! Dispatches an operation, by its name, to the database.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Executes a request, both sides in DynamoDB's JSON protocol.
pub(crate) fn execute(
    database: &Database,
    operation: &str,
    body: &str,
) -> Result<String, DynoxideError> {
    match operation {
        "CreateTable" => with(body, |it| database.create_table(it)),
        "DescribeTable" => with(body, |it| database.describe_table(it)),
        "PutItem" => with(body, |it| database.put_item(it)),
        "GetItem" => with(body, |it| database.get_item(it)),
        "UpdateItem" => with(body, |it| database.update_item(it)),
        "DeleteItem" => with(body, |it| database.delete_item(it)),
        "Query" => with(body, |it| database.query(it)),
        "Scan" => with(body, |it| database.scan(it)),
        "BatchGetItem" => with(body, |it| database.batch_get_item(it)),
        "BatchWriteItem" => with(body, |it| database.batch_write_item(it)),
        "TransactGetItems" => with(body, |it| database.transact_get_items(it)),
        "TransactWriteItems" => with(body, |it| database.transact_write_items(it)),
        _ => Err(DynoxideError::InternalServerError(format!("no test needs {operation}"))),
    }
}

fn with<Request: DeserializeOwned, Response: Serialize>(
    body: &str,
    act: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_str(body)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    serde_json::to_string(&act(request)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
