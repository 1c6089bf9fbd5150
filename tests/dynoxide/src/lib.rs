//! DynamoDB in process: clients of the AWS SDK whose requests go to an in-memory database.
//!
//! Each test has its own, created in a millisecond. It can also inject faults of the network and the service: a
//! throttled request, a response that is lost after the write.
//!
//! ```
//! # async fn example() {
//! let dynamodb = dynoxide_client::DynamoDb::new();
//! dynamodb.create_table(r#"{
//!     "TableName": "books",
//!     "BillingMode": "PAY_PER_REQUEST",
//!     "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
//!     "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]
//! }"#);
//! dynamodb.order("PutItem", dynoxide_client::Fault::ResponseLost);
//! let client: aws_sdk_dynamodb::Client = dynamodb.client();
//! # }
//! ```

mod meter;
mod operations;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};

pub use meter::Spent;

const THROTTLED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"ordered"}"#;

const TRANSACTION_CONFLICT: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"ordered"}"#;

/// A fault to inject into one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request is throttled and has no effect. The SDK retries it.
    Throttled,
    /// The request conflicts with a transaction and has no effect. The SDK does not retry it.
    TransactionConflict,
    /// The request does not arrive and has no effect. The SDK retries it.
    RequestLost,
    /// The request takes effect, and its response does not arrive. The SDK retries it.
    ResponseLost,
}

/// One database, empty at first.
#[derive(Clone)]
pub struct DynamoDb {
    database: Database,
    ordered: Arc<Mutex<VecDeque<(String, Fault)>>>,
    spent: Arc<Mutex<Spent>>,
    attempts_max: u32,
}

impl Default for DynamoDb {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDb").field("ordered", &self.ordered).finish_non_exhaustive()
    }
}

impl DynamoDb {
    /// Creates an empty database.
    #[must_use]
    pub fn new() -> Self {
        let database = Database::memory().expect("an in-memory database opens");
        // The number of attempts of the functions.
        Self { database, ordered: Arc::default(), spent: Arc::default(), attempts_max: 3 }
    }

    /// The same database, with clients that do not retry: every fault reaches the caller.
    #[must_use]
    pub fn without_retries(&self) -> Self {
        Self { attempts_max: 1, ..self.clone() }
    }

    /// A client of this database.
    #[must_use]
    pub fn client(&self) -> Client {
        let retries = RetryConfig::standard()
            .with_max_attempts(self.attempts_max)
            .with_initial_backoff(Duration::from_millis(1))
            .with_max_backoff(Duration::from_millis(1));
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(retries)
            .http_client(self.clone())
            .build();
        Client::from_conf(config)
    }

    /// Creates a table from a `CreateTable` request in JSON.
    ///
    /// # Panics
    ///
    /// If the request is invalid: the test is wrong.
    pub fn create_table(&self, request: &str) {
        if let Err(error) = operations::execute(&self.database, "CreateTable", request) {
            unreachable!("a table could not be created: {error}");
        }
    }

    /// Creates a table from its properties in a CloudFormation template.
    ///
    /// Operational properties (encryption, backups, expiry, streams) are left out.
    ///
    /// # Panics
    ///
    /// If the properties are invalid: the template is wrong.
    pub fn create_table_of_template(&self, name: &str, properties: &serde_json::Value) {
        const KEPT: [&str; 5] = [
            "AttributeDefinitions",
            "KeySchema",
            "BillingMode",
            "GlobalSecondaryIndexes",
            "LocalSecondaryIndexes",
        ];
        let mut request = serde_json::json!({ "TableName": name });
        for member in KEPT {
            if let Some(value) = properties.get(member) {
                request[member] = value.clone();
            }
        }
        self.create_table(&request.to_string());
    }

    /// Injects a fault into the next request of an operation (`PutItem`). Several faults are injected one after the
    /// other.
    pub fn order(&self, operation: &str, fault: Fault) {
        self.orders().push_back((operation.to_owned(), fault));
    }

    /// The requests since the last call of this method, and what DynamoDB would charge for them.
    #[must_use]
    pub fn spent(&self) -> Spent {
        std::mem::take(&mut self.spent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Executes a request, and counts its cost.
    fn execute(&self, operation: &str, body: &str) -> Result<String, DynoxideError> {
        let result = operations::execute(&self.database, operation, &meter::priced(body));
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).add(operation, &result);
        result
    }

    fn orders(&self) -> std::sync::MutexGuard<'_, VecDeque<(String, Fault)>> {
        self.ordered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_fault(&self, operation: &str) -> Option<Fault> {
        let mut ordered = self.orders();
        let at = ordered.iter().position(|(it, _)| it == operation)?;
        ordered.remove(at).map(|(_, fault)| fault)
    }

    fn serve(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = request.body().bytes().and_then(|it| std::str::from_utf8(it).ok());
        let body = body.unwrap_or_default();
        match self.next_fault(operation) {
            None => Ok(http_response(self.execute(operation, body))),
            Some(Fault::Throttled) => Ok(response(400, THROTTLED.to_owned())),
            Some(Fault::TransactionConflict) => Ok(response(400, TRANSACTION_CONFLICT.to_owned())),
            Some(Fault::RequestLost) => Err(lost("request lost, as ordered")),
            Some(Fault::ResponseLost) => {
                drop(self.execute(operation, body));
                Err(lost("response lost, as ordered"))
            }
        }
    }
}

fn http_response(result: Result<String, DynoxideError>) -> HttpResponse {
    match result {
        Ok(body) => response(200, body),
        Err(error) => response(error.status_code(), error.to_json()),
    }
}

fn response(status: u16, body: String) -> HttpResponse {
    let status = StatusCode::try_from(status).expect("a status between 200 and 599");
    HttpResponse::new(status, SdkBody::from(body))
}

fn lost(what: &'static str) -> ConnectorError {
    ConnectorError::timeout(what.into())
}

impl HttpConnector for DynamoDb {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            // A network yields to other tasks before and after a request.
            tokio::task::yield_now().await;
            let response = this.serve(&request);
            tokio::task::yield_now().await;
            response
        })
    }
}

impl HttpClient for DynamoDb {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::put_item::PutItemError;
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;

    fn with_table() -> DynamoDb {
        let dynamodb = DynamoDb::new();
        dynamodb.create_table_of_template(
            "books",
            &serde_json::json!({
                "TableName": { "Fn::Sub": "${Stage}-books" },
                "BillingMode": "PAY_PER_REQUEST",
                "SSESpecification": { "SSEEnabled": true },
                "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
                "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            }),
        );
        dynamodb
    }

    async fn put_new(client: &Client, id: &str) -> Result<(), PutItemError> {
        let put =
            client.put_item().table_name("books").item("id", AttributeValue::S(id.to_owned()));
        put.condition_expression("attribute_not_exists(id)")
            .send()
            .await
            .map(drop)
            .map_err(aws_sdk_dynamodb::error::SdkError::into_service_error)
    }

    #[tokio::test]
    async fn an_item_that_is_put_can_be_read() {
        let client = with_table().client();
        put_new(&client, "one").await.unwrap();
        let key = AttributeValue::S("one".to_owned());
        let got =
            client.get_item().table_name("books").key("id", key.clone()).send().await.unwrap();
        assert_eq!(got.item().unwrap()["id"], key);
    }

    #[tokio::test]
    async fn one_of_many_conditional_writers_succeeds() {
        let dynamodb = with_table();
        let writers = (0..32).map(|_| {
            let client = dynamodb.client();
            tokio::spawn(async move { put_new(&client, "one").await.is_ok() })
        });
        let winners = futures::future::join_all(writers).await;
        assert_eq!(winners.into_iter().filter(|it| *it.as_ref().unwrap()).count(), 1);
    }

    #[tokio::test]
    async fn a_lost_response_keeps_the_write() {
        let dynamodb = with_table();
        dynamodb.order("PutItem", Fault::ResponseLost);
        // The SDK's retry finds the item of the first attempt.
        let error = put_new(&dynamodb.client(), "one").await.unwrap_err();
        assert!(error.is_conditional_check_failed_exception(), "{error:?}");
    }

    #[tokio::test]
    async fn requests_are_counted_with_their_cost() {
        let dynamodb = with_table();
        let client = dynamodb.client();
        put_new(&client, "one").await.unwrap();
        put_new(&client, "one").await.unwrap_err();
        client.scan().table_name("books").send().await.unwrap();
        let spent = dynamodb.spent();
        assert_eq!(spent.calls("PutItem"), 2);
        // DynamoDB also charges for a write with a failed condition, but the error does not contain how much.
        assert_eq!((spent.units("PutItem"), spent.units("Scan")), (1.0, 0.5));
        assert_eq!((spent.items("Scan"), spent.items("Query")), (1, 0));
        assert_eq!(dynamodb.spent().calls("PutItem"), 0);
    }

    #[tokio::test]
    async fn a_lost_request_and_a_throttled_one_have_no_effect() {
        let dynamodb = with_table();
        for fault in [Fault::RequestLost, Fault::Throttled] {
            dynamodb.order("PutItem", fault);
            let patient = put_new(&dynamodb.client(), &format!("{fault:?}")).await;
            assert!(patient.is_ok(), "{fault:?}");

            dynamodb.order("PutItem", fault);
            let client = dynamodb.without_retries().client();
            assert!(put_new(&client, "hasty").await.is_err(), "{fault:?}");
        }
        put_new(&dynamodb.client(), "hasty").await.unwrap();
    }
}
