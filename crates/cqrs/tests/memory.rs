//! The in-memory view passes the conformance suite.

use cqrs::conformance;
use cqrs::memory::{MemoryGenerations, MemoryParts, MemoryView};

#[tokio::test]
async fn the_memory_view_conforms() {
    conformance::all(&MemoryView::default()).await;
}

#[tokio::test]
async fn the_memory_generations_conform() {
    conformance::all_generations(&MemoryGenerations::default()).await;
}

#[tokio::test]
async fn the_memory_parts_conform() {
    conformance::all_parts(&MemoryParts::default()).await;
}
