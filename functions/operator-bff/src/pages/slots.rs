//! All slots: added, closed, opened again.

use bff::pages::words::short;
use bff::pages::{Page, Place, hidden};
use contracts::id::SlotId;
use contracts::message::Page as PageOf;
use contracts::parking::{Slot, SlotStatus};
use maud::{Markup, html};

use super::bookings::{filter, pager};
use super::{Told, told, words};

/// What the page shows.
#[derive(Debug)]
pub struct Slots<'a> {
    /// The slots of this page of the list.
    pub list: &'a PageOf<Slot>,
    /// In which state alone.
    pub status: Option<SlotStatus>,
    /// Whether this is not the list's beginning.
    pub further: bool,
    /// Names the slot that the form makes, however often it is sent.
    pub new_id: SlotId,
    /// What has become of a form.
    pub told: Option<&'a Told>,
}

/// The page.
#[must_use]
pub fn render(place: &Place, shown: &Slots<'_>) -> String {
    let chosen = shown.status.map(words::slot);
    let main = html! {
        div .head {
            h1 { "Slots" }
            (filter(place, "room/slots", &words::SLOTS.map(words::slot), chosen))
        }
        (told(shown.told))
        form .card.inline method="post" action=(place.link("room/slots")) {
            (hidden("proof", &place.proof))
            (hidden("slot", &shown.new_id.to_string()))
            div {
                label for="name" { "New slot" }
                input #name name="name" required maxlength="100" autocomplete="off" placeholder="Level 2, 14";
            }
            button type="submit" { "Add" }
        }
        @if shown.list.items.is_empty() {
            div .empty { @if shown.further { p { "There are no more." } } @else { p { "There are none." } } }
        } @else {
            table .list {
                thead { tr {
                    th scope="col" { "Slot" } th scope="col" { "State" } th scope="col" { "Id" } th scope="col" { "Change" }
                } }
                tbody { @for slot in &shown.list.items { (row(place, slot)) } }
            }
        }
        (pager(place, "room/slots", chosen, shown.further, shown.list.next_cursor.as_deref()))
    };
    Page { place, title: "Slots", again_after: None, main }.render()
}

fn row(place: &Place, slot: &Slot) -> Markup {
    let id = slot.slot_id.to_string();
    // A slot that is somebody's stays open until they leave.
    let change = match slot.status {
        SlotStatus::Available | SlotStatus::Blocked => Some(("close", "Close")),
        SlotStatus::Closed => Some(("reopen", "Reopen")),
        SlotStatus::Reserved => None,
    };
    html! {
        tr {
            td .name { strong { (slot.name) } }
            td { (words::badge(words::slot(slot.status))) }
            td { code { "…" (short(&id)) } }
            td {
                @if let Some((what, word)) = change {
                    form method="post" action=(place.link(&format!("room/slots/{id}/{what}"))) {
                        (hidden("proof", &place.proof))
                        button .quiet type="submit" { (word) span .sr { " " (slot.name) } }
                    }
                } @else { span .hint { "taken" } }
            }
        }
    }
}
