//! The memory store does what every store must.

use event_sourcing::conformance;
use event_sourcing::memory::MemoryStore;

#[tokio::test]
async fn the_memory_store_conforms() {
    conformance::all(&MemoryStore::default()).await;
}
