//! Clients of the cloud on which the platform runs, for state that no route shows.

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};

use crate::Platform;

/// Creates a client of the local cloud; every service has a configuration type of its own.
macro_rules! client_config {
    ($service:ident, $endpoint:expr) => {
        $service::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url($endpoint)
            .build()
    };
}

impl Platform {
    /// A client of SQS.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::from_conf(client_config!(aws_sdk_sqs, self.endpoint()))
    }
}

#[cfg(feature = "cloud")]
impl Platform {
    /// A client of DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::from_conf(client_config!(aws_sdk_dynamodb, self.endpoint()))
    }

    /// A client of Step Functions.
    pub fn sfn(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::from_conf(client_config!(aws_sdk_sfn, self.endpoint()))
    }

    /// A client of Lambda.
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::from_conf(client_config!(aws_sdk_lambda, self.endpoint()))
    }

    /// A client of EventBridge.
    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        let config = client_config!(aws_sdk_eventbridge, self.endpoint());
        aws_sdk_eventbridge::Client::from_conf(config)
    }
}
