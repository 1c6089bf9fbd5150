//! Time and randomness: passed in, so that tests and simulations choose them.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

/// The clock and the sources of randomness of a backend. A clone shares them.
#[derive(Clone)]
pub struct Runtime {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    new_id: Arc<dyn Fn() -> Uuid + Send + Sync>,
    new_secret: Arc<dyn Fn() -> String + Send + Sync>,
}

impl Runtime {
    /// The clock, the source of ids, and the source of secrets: texts of at least 43 characters that a URL and a cookie may
    /// contain, and that cannot be guessed.
    pub fn new(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        new_id: impl Fn() -> Uuid + Send + Sync + 'static,
        new_secret: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), new_id: Arc::new(new_id), new_secret: Arc::new(new_secret) }
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// An id that no other thing has.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        (self.new_id)()
    }

    /// A secret that cannot be guessed.
    #[must_use]
    pub fn new_secret(&self) -> String {
        (self.new_secret)()
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
    }
}
