//! The configuration of AWS clients: bounded in time and attempts, and without lookups of what Lambda provides already.

use std::time::Duration;

use aws_config::environment::{
    EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider,
};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::env;

/// The first TLS handshake on the smallest function takes 0.75 s, because of its share of a core.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// DynamoDB and SQS respond within milliseconds; a call that takes longer than this gets no response.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// The limit of all attempts together. A function with a timeout of 10 s then has time left to report the error.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
/// Two retries are enough for a lost connection or brief throttling. Longer outages are for the caller's back-off.
const MAX_ATTEMPTS: u32 = 3;
/// The SDK's default of one second is longer than a whole call should take.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// The configuration from which every AWS client is created.
///
/// Region and credentials come from the environment, as Lambda sets them; `AWS_ENDPOINT_URL` is respected. A client that
/// needs more time, for example to invoke a slow function, overrides `timeout_config` in its own builder.
pub async fn aws_config() -> SdkConfig {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(EnvironmentVariableRegionProvider::new())
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(MAX_ATTEMPTS)
                .with_initial_backoff(FIRST_BACKOFF),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(OPERATION_TIMEOUT)
                .build(),
        );
    let client = Builder::new();
    // On the local cloud: reading the machine's certificates takes longer than the rest of the start.
    let plain = env::required("AWS_ENDPOINT_URL").is_ok_and(|it| it.starts_with("http://"));
    let config = if plain {
        config.http_client(client.build_http())
    } else {
        config.http_client(client.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
    };
    config.load().await
}
