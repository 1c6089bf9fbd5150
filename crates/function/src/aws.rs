//! How AWS is reached: bounded in time and attempts, and nothing looked up that Lambda has already told.

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

/// A first handshake on the smallest function takes 0.75 s of its share of a core.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Storage and queues answer in milliseconds; longer than this is an answer that will not come.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// All attempts together. It leaves a function of 10 s time to say what went wrong.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
/// Two repeats ride out a lost connection or a throttled moment; more belongs to the caller, who has a back-off of its own.
const MAX_ATTEMPTS: u32 = 3;
/// The SDK's own first wait, a second, is longer than the whole call should take.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// The configuration from which every AWS client is made.
///
/// Region and credentials are the environment's, as Lambda sets them; `AWS_ENDPOINT_URL` is honoured. A client that needs
/// more time (to invoke a slow function) overrides `timeout_config` in its own builder.
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
    // The local cloud: the machine's certificates take longer to read than all the rest of the start.
    let plain = env::required("AWS_ENDPOINT_URL").is_ok_and(|it| it.starts_with("http://"));
    let config = if plain {
        config.http_client(client.build_http())
    } else {
        config.http_client(client.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https())
    };
    config.load().await
}
