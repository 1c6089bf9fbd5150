//! The payment service of the deployed functions: bills in DynamoDB, and the provider over HTTP behind its breaker.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use circuit_breaker::breaker::Breaker;
use circuit_breaker::dynamodb::DynamoStore as BreakerStore;
use function::breaker::BreakerTelemetry;
use jiff::Timestamp;
use outbox::dynamodb::DynamoStore;
use uuid::Uuid;

use super::http::HttpProvider;
use crate::config::PaymentConfig;
use crate::guarded::{BREAKER, GuardedProvider};
use crate::payment_service::PaymentService;
use crate::ports::ATTEMPT_TIMEOUT;

/// The payment service with its AWS and HTTP adapters.
pub type AwsPaymentService = PaymentService<
    DynamoStore,
    GuardedProvider<HttpProvider, BreakerStore, BreakerTelemetry>,
    fn() -> Timestamp,
    fn() -> Uuid,
>;

/// Creates the payment service of this process.
///
/// # Errors
///
/// If the HTTP client can't set up TLS.
pub fn payment_service(
    tables: &Client,
    config: PaymentConfig,
) -> Result<AwsPaymentService, reqwest::Error> {
    let breakers = BreakerStore::new(tables.clone(), config.breakers_table);
    let breaker = Arc::new(Breaker::new(BREAKER, config.breaker, breakers, BreakerTelemetry));
    let provider = HttpProvider::new(&config.provider_url, config.provider_key, ATTEMPT_TIMEOUT)?;
    Ok(PaymentService {
        store: DynamoStore::new(tables.clone(), config.bills_table, function::now),
        provider: GuardedProvider { provider, breaker },
        now: function::now,
        new_id: function::new_id,
        total: config.total,
    })
}

/// Opens the connection to the tables, and reads the state of the provider's circuit.
pub async fn warm_up(service: &AwsPaymentService) {
    function::warm(service.store.warm_up()).await;
    // After the first request, so that it uses the open connection.
    service.provider.breaker.refresh().await;
}
