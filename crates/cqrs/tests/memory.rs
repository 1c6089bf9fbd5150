//! The memory view does what every view must.

use cqrs::conformance;
use cqrs::memory::MemoryView;

#[tokio::test]
async fn the_memory_view_conforms() {
    conformance::all(&MemoryView::default()).await;
}
