//! Reads whichever generation is live.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::generation::{CACHE, Generations};
use crate::view::{Positioned, Range, Reader, Row, Versioned, ViewError};

/// A reader of the live generation, for queries.
///
/// It looks up which one that is once a second. That is safe, since the one that was live before is kept as fresh; see
/// [`generation`](crate::generation).
#[derive(Debug)]
pub struct Live<G> {
    views: G,
    known: Mutex<Option<(u64, Instant)>>,
}

impl<G> Live<G> {
    /// Reads from these generations.
    pub fn new(views: G) -> Self {
        Self { views, known: Mutex::default() }
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
        if let Some((live, until)) = known
            && Instant::now() < until
        {
            return Ok(self.views.generation(live));
        }
        // From before the read: what is read may change while the answer is under way.
        let until = Instant::now() + CACHE;
        let (control, _) = self.views.control().await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((control.live, until));
        Ok(self.views.generation(control.live))
    }
}

impl<R: Row, G: Generations<R>> Reader<R> for Live<G> {
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
