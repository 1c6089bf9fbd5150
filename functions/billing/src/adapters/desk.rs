//! The desk as the functions that charge have it: bills in DynamoDB, the provider over HTTP behind its breaker.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use circuit_breaker::call::Breaker;
use circuit_breaker::dynamodb::DynamoStore as BreakerStore;
use function::breaker::BreakerTelemetry;
use jiff::Timestamp;
use outbox::dynamodb::DynamoStore;
use uuid::Uuid;

use super::http::HttpProvider;
use crate::config::DeskConfig;
use crate::desk::Desk;
use crate::guarded::{BREAKER, Guarded};
use crate::ports::ATTEMPT_TIMEOUT;

/// A desk at which real money is taken.
pub type RealDesk = Desk<
    DynamoStore,
    Guarded<HttpProvider, BreakerStore, BreakerTelemetry>,
    fn() -> Timestamp,
    fn() -> Uuid,
>;

/// Makes the one desk of this process.
///
/// # Errors
///
/// If TLS can't be set up.
pub fn desk(tables: &Client, config: DeskConfig) -> Result<RealDesk, reqwest::Error> {
    let breakers = BreakerStore::new(tables.clone(), config.breakers_table);
    let breaker = Arc::new(Breaker::new(BREAKER, config.breaker, breakers, BreakerTelemetry));
    let provider = HttpProvider::new(&config.provider_url, config.provider_key, ATTEMPT_TIMEOUT)?;
    Ok(Desk {
        store: DynamoStore::new(tables.clone(), config.bills_table, function::now),
        provider: Guarded { provider, breaker },
        now: function::now,
        new_id: function::new_id,
        total: config.total,
    })
}

/// Opens the connection to the tables, and sees how the provider fares.
pub async fn warm_up(desk: &RealDesk) {
    function::warm(desk.store.warm_up()).await;
    // On the connection that is open then.
    desk.provider.breaker.refresh().await;
}
