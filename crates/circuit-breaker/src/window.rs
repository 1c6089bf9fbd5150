//! What an instance remembers of its own calls: a ring of buckets over the last while.

/// Enough that the window moves smoothly, and few enough to be looked at in no time.
const BUCKETS: usize = 10;

/// The same as a distance.
const SPAN: i64 = 10;

/// Calls of the last while. It is exact to a tenth of its length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    bucket_ms: i64,
    newest: i64,
    buckets: [Tally; BUCKETS],
    total: Tally,
}

/// So many calls, and how they went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tally {
    /// All of them.
    pub calls: u32,
    /// Those that failed.
    pub failures: u32,
    /// Those that took too long, failed or not.
    pub slow: u32,
}

impl Window {
    /// An empty window of this length.
    #[must_use]
    pub fn new(window_ms: u64) -> Self {
        let bucket_ms = i64::try_from(window_ms).unwrap_or(i64::MAX) / SPAN;
        Self {
            bucket_ms: bucket_ms.max(1),
            newest: 0,
            buckets: [Tally::default(); BUCKETS],
            total: Tally::default(),
        }
    }

    /// Counts a call.
    pub fn count(&mut self, now_ms: i64, is_failure: bool, is_slow: bool) {
        self.advance(now_ms);
        let call = Tally { calls: 1, failures: u32::from(is_failure), slow: u32::from(is_slow) };
        self.buckets[slot(self.newest)].add(call);
        self.total.add(call);
    }

    /// What is in the window now.
    pub fn tally(&mut self, now_ms: i64) -> Tally {
        self.advance(now_ms);
        self.total
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.buckets = [Tally::default(); BUCKETS];
        self.total = Tally::default();
    }

    /// Forgets what was until then, to the end of the bucket.
    pub fn forget_until(&mut self, at_ms: i64) {
        let last = at_ms.div_euclid(self.bucket_ms);
        let oldest = self.newest - (SPAN - 1);
        for index in oldest..=last.min(self.newest) {
            self.drop_bucket(index);
        }
    }

    /// Lets time go on. A clock that goes back a little counts into the newest bucket; one that goes back by more than
    /// the window tells of another time, so that nothing known is of use.
    fn advance(&mut self, now_ms: i64) {
        let now = now_ms.div_euclid(self.bucket_ms);
        if now == self.newest {
            return;
        }
        if now.abs_diff(self.newest) >= SPAN.unsigned_abs() {
            self.clear();
            self.newest = now;
        }
        while self.newest < now {
            self.newest += 1;
            self.drop_bucket(self.newest);
        }
    }

    fn drop_bucket(&mut self, index: i64) {
        let bucket = std::mem::take(&mut self.buckets[slot(index)]);
        self.total.take(bucket);
    }
}

impl Tally {
    /// The share of failures.
    #[must_use]
    pub fn failures_permille(self) -> u32 {
        permille(self.failures, self.calls)
    }

    /// The share of slow calls.
    #[must_use]
    pub fn slow_permille(self) -> u32 {
        permille(self.slow, self.calls)
    }

    fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.slow = self.slow.saturating_add(other.slow);
    }

    fn take(&mut self, other: Self) {
        self.calls = self.calls.saturating_sub(other.calls);
        self.failures = self.failures.saturating_sub(other.failures);
        self.slow = self.slow.saturating_sub(other.slow);
    }
}

fn permille(part: u32, whole: u32) -> u32 {
    let rate = u64::from(part) * 1000 / u64::from(whole.max(1));
    u32::try_from(rate).unwrap_or(1000)
}

fn slot(index: i64) -> usize {
    usize::try_from(index.rem_euclid(SPAN)).unwrap_or(0)
}
