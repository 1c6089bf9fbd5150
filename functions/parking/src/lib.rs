//! Parking: slots, and who holds them.
