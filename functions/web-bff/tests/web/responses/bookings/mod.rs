//! `/web/bookings` and what lies below it: the list, one booking, and the forms that book and end one.

mod book;
mod change;
mod list;
mod show;
