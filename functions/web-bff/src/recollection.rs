//! What an instance remembers of answers it has seen, to stand in for those that do not come.

use bff::kept::Kept;
use contracts::billing::Bill;
use contracts::booking::History;
use contracts::id::{BillReference, BookingId, SlotId};
use contracts::message::Page;
use contracts::parking::Slot;
use jiff::SignedDuration;

/// Older than that, an answer tells a person nothing any more.
const USEFUL_FOR: SignedDuration = SignedDuration::from_mins(10);
/// A booking never changes its slot; an instance does not live as long as this.
const FOR_EVER: SignedDuration = SignedDuration::from_hours(24);
/// Bookings that are looked at through one instance at one time.
const MANY: usize = 500;

/// The last answers. All are of a booking that was shown to be the caller's, or for everybody.
#[derive(Debug)]
pub struct Recollection {
    /// Which slot a booking is for: with it, the slot and the bill need not wait for the booking.
    pub slot_of: Kept<BookingId, SlotId>,
    /// Slots, one by one.
    pub slots: Kept<SlotId, Slot>,
    /// Pages of slots, by whether all are shown, and by their cursors.
    pub lists: Kept<(bool, Option<String>), Page<Slot>>,
    /// Bills, or the word that there is none.
    pub bills: Kept<BillReference, Option<Bill>>,
    /// What has happened to bookings.
    pub histories: Kept<BookingId, History>,
}

impl Default for Recollection {
    fn default() -> Self {
        Self {
            slot_of: Kept::new(MANY, FOR_EVER),
            slots: Kept::new(MANY, USEFUL_FOR),
            lists: Kept::new(20, USEFUL_FOR),
            bills: Kept::new(MANY, USEFUL_FOR),
            histories: Kept::new(MANY, USEFUL_FOR),
        }
    }
}
