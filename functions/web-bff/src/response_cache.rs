//! A stale-if-error cache: earlier responses of the services, used while a service is unavailable.

use bff::stale_cache::StaleCache;
use contracts::billing::Bill;
use contracts::booking::History;
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::message::Page;
use contracts::parking::Slot;
use jiff::SignedDuration;

/// An older response is of no use to a customer.
const USEFUL_FOR: SignedDuration = SignedDuration::from_mins(10);
/// A booking never changes its slot; an instance does not live as long as this.
const SLOT_KNOWN_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The number of bookings that customers view through one instance at the same time.
const MANY: usize = 500;

/// The last responses. Each is of a booking that belongs to the caller, or public.
#[derive(Debug)]
pub struct ResponseCache {
    /// Which slot a booking is for: with it, the slot and the bill need not wait for the booking.
    pub slot_of: StaleCache<BookingId, SlotId>,
    /// Slots, one by one.
    pub slots: StaleCache<SlotId, Slot>,
    /// Pages of slots, by whether all are shown, and by their cursors.
    pub lists: StaleCache<(bool, Option<String>), Page<Slot>>,
    /// Bills; `None` where billing has said that there is none.
    pub bills: StaleCache<BillReference, Option<Bill>>,
    /// The events of bookings.
    pub histories: StaleCache<BookingId, History>,
}

impl Default for ResponseCache {
    fn default() -> Self {
        Self {
            slot_of: StaleCache::new(MANY, SLOT_KNOWN_FOR),
            slots: StaleCache::new(MANY, USEFUL_FOR),
            lists: StaleCache::new(20, USEFUL_FOR),
            bills: StaleCache::new(MANY, USEFUL_FOR),
            histories: StaleCache::new(MANY, USEFUL_FOR),
        }
    }
}
