//! Prices, read from `prices.yaml`.

use serde::Deserialize;

use super::Counts;

/// List prices in millionths of a dollar per million, and the resources that a call is assumed to need.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    api_request: u64,
    invocation: u64,
    gigabyte_second: u64,
    transition: u64,
    event: u64,
    queue_request: u64,
    write_unit: u64,
    read_unit: u64,
    memory_megabytes: u64,
    duration_milliseconds: u64,
}

impl Prices {
    /// The prices of `prices.yaml`.
    ///
    /// # Panics
    ///
    /// If the file is malformed.
    #[must_use]
    pub fn listed() -> Self {
        serde_yaml_ng::from_str(include_str!("../../prices.yaml")).expect("prices can be read")
    }

    /// The cost of a million such bookings, in whole cents.
    #[must_use]
    pub fn cents_a_million(&self, counts: &Counts) -> u64 {
        let memory = self.gigabyte_second * self.memory_megabytes / 1_024;
        let invocation = self.invocation + memory * self.duration_milliseconds / 1_000;
        let parts = [
            (counts.requests, self.api_request),
            (counts.calls, invocation),
            (counts.transitions, self.transition),
            (counts.events, self.event),
            (counts.queue_requests, self.queue_request),
            (counts.writes, self.write_unit),
            (counts.reads, self.read_unit),
        ];
        let dollars_e6: u64 = parts.iter().map(|(count, price)| count * price).sum();
        dollars_e6 / 10_000
    }
}
