//! Reads the live generation of a view.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::generation::{CACHE, Generations};
use crate::view::{Positioned, Range, Reader, Row, Versioned, ViewError};

/// A reader of the live generation, for queries.
///
/// It looks up the live generation once a second. That is safe, because the previous generation stays up to date; see
/// [`generation`](crate::generation).
#[derive(Debug)]
pub struct Live<G, C> {
    views: G,
    clock: C,
    known: Mutex<Option<(u64, Timestamp)>>,
}

impl<G, C: Fn() -> Timestamp + Sync> Live<G, C> {
    /// Reads from these generations.
    ///
    /// The clock must continue while the process is frozen, which an `Instant` need not do. A function that was frozen for an
    /// hour may have missed several promotions.
    pub fn new(views: G, clock: C) -> Self {
        Self { views, clock, known: Mutex::default() }
    }

    /// All generations, for queries of the projection's state.
    pub fn generations(&self) -> &G {
        &self.views
    }

    async fn view<R: Row>(&self) -> Result<G::View, ViewError>
    where
        G: Generations<R>,
    {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Take the time before the read, because the state may change while the response is on its way.
        let now = (self.clock)();
        // If the clock jumped backwards, the cached value has no known age.
        if let Some((live, read_at)) = known
            && (read_at..read_at.saturating_add(CACHE).unwrap_or(read_at)).contains(&now)
        {
            return Ok(self.views.generation(live));
        }
        let (state, _) = self.views.state().await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((state.live, now));
        Ok(self.views.generation(state.live))
    }
}

impl<R: Row, G: Generations<R>, C: Fn() -> Timestamp + Sync> Reader<R> for Live<G, C> {
    async fn get(&self, id: &str) -> Result<Option<Versioned<R>>, ViewError> {
        self.view::<R>().await?.get(id).await
    }

    async fn list(&self, range: Range<'_>) -> Result<Vec<Positioned<R>>, ViewError> {
        self.view::<R>().await?.list(range).await
    }

    async fn count(&self, range: Range<'_>) -> Result<usize, ViewError> {
        Reader::<R>::count(&self.view::<R>().await?, range).await
    }
}
