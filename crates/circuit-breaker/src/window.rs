//! The sliding window of an instance's own calls: a ring of buckets.

/// The number of buckets: enough that the window slides smoothly, and few enough to be summed quickly.
const BUCKETS: usize = 10;

/// The number of buckets, as the difference of two bucket indexes.
const SPAN: i64 = 10;

/// A sliding window of calls. Its length is exact to a tenth.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    bucket_ms: i64,
    newest: i64,
    buckets: [Tally; BUCKETS],
    total: Tally,
}

/// The numbers of calls, of failures and of slow calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tally {
    /// The number of calls.
    pub calls: u32,
    /// The number of failed calls.
    pub failures: u32,
    /// The number of slow calls, failed or not.
    pub slow: u32,
}

impl Window {
    /// Creates an empty window of this length.
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

    /// Counts a call that ended now.
    pub fn count(&mut self, now_ms: i64, is_failure: bool, is_slow: bool) {
        self.advance(now_ms);
        let call = Tally { calls: 1, failures: u32::from(is_failure), slow: u32::from(is_slow) };
        self.buckets[slot(self.newest)].add(call);
        self.total.add(call);
    }

    /// The numbers of calls that are in the window now.
    pub fn tally(&mut self, now_ms: i64) -> Tally {
        self.advance(now_ms);
        self.total
    }

    /// Removes all calls.
    pub fn clear(&mut self) {
        self.buckets = [Tally::default(); BUCKETS];
        self.total = Tally::default();
    }

    /// Removes the calls up to this time, including those later in the same bucket.
    pub fn forget_until(&mut self, at_ms: i64) {
        let last = at_ms.div_euclid(self.bucket_ms);
        let oldest = self.newest - (SPAN - 1);
        for index in oldest..=last.min(self.newest) {
            self.drop_bucket(index);
        }
    }

    /// Moves the window to the current time. If the clock goes back a little, calls count in the newest bucket. If it
    /// jumps by more than the length of the window, the window is cleared.
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
    /// The failure rate, in permille.
    #[must_use]
    pub fn failures_permille(self) -> u32 {
        permille(self.failures, self.calls)
    }

    /// The rate of slow calls, in permille.
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
