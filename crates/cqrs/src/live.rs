//! Reads whichever generation is live.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::generation::{CACHE, Generations};
use crate::view::{Positioned, Range, Reader, Row, Versioned, ViewError};

/// A reader of the live generation, for queries.
///
/// It looks up which one that is once a second. That is safe, since the one that was live before is kept as fresh; see
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
    /// The clock must be one that goes on while the process stands still, as an `Instant` need not: a function that was
    /// frozen for an hour has missed a switch, or two.
    pub fn new(views: G, clock: C) -> Self {
        Self { views, clock, known: Mutex::default() }
    }

    /// All generations, for whoever asks how they fare.
    pub fn generations(&self) -> &G {
        &self.views
    }

    async fn view<R: Row>(&self) -> Result<G::View, ViewError>
    where
        G: Generations<R>,
    {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // From before the read: what is read may change while the answer is under way.
        let now = (self.clock)();
        // A clock that was set back says nothing of how old this is.
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
