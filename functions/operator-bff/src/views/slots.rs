//! All slots: created, closed, reopened.

use contracts::id::SlotId;
use contracts::message::Page as PageOf;
use contracts::parking::{Slot, SlotStatus};
use maud::{Markup, html};
use pages::format::short;
use pages::{Page, PageContext, hidden};

use super::bookings::{filter, pager};
use super::{FlashMessage, flash_message, labels};

/// What the page shows.
#[derive(Debug)]
pub struct Slots<'a> {
    /// The slots of this page of the list.
    pub list: &'a PageOf<Slot>,
    /// In which state alone.
    pub status: Option<SlotStatus>,
    /// Whether this is not the list's beginning.
    pub further: bool,
    /// The id of the slot that the form creates, however often it is sent.
    pub new_id: SlotId,
    /// What the form's name is filled in with.
    pub name: &'a str,
    /// What a form has done, or why not.
    pub flash: Option<&'a FlashMessage>,
}

/// The page.
#[must_use]
pub fn render(context: &PageContext, shown: &Slots<'_>) -> String {
    let chosen = shown.status.map(labels::slot);
    let main = html! {
        div .head {
            h1 { "Slots" }
            (filter(context, "room/slots", &labels::SLOTS.map(labels::slot), chosen))
        }
        (flash_message(shown.flash))
        form .card.inline method="post" action=(context.link("room/slots")) {
            (context.csrf_field())
            (hidden("slot", &shown.new_id.to_string()))
            div {
                label for="name" { "New slot" }
                input #name name="name" required maxlength="100" autocomplete="off" placeholder="Level 2, 14"
                    value=[Some(shown.name).filter(|it| !it.is_empty())];
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
                tbody { @for slot in &shown.list.items { (row(context, slot)) } }
            }
        }
        (pager(context, "room/slots", chosen, shown.further, shown.list.next_cursor.as_deref()))
    };
    Page { context, title: "Slots", refresh_after: None, main }.render()
}

fn row(context: &PageContext, slot: &Slot) -> Markup {
    let id = slot.slot_id.to_string();
    // A slot that is taken stays open until its customer leaves.
    let change = match slot.status {
        SlotStatus::Available | SlotStatus::Blocked => Some(("close", "Close")),
        SlotStatus::Closed => Some(("reopen", "Reopen")),
        SlotStatus::Reserved => None,
    };
    html! {
        tr {
            td .name { strong { (slot.name) } }
            td { (labels::badge(labels::slot(slot.status))) }
            td { code { "…" (short(&id)) } }
            td {
                @if let Some((what, word)) = change {
                    form method="post" action=(context.link(&format!("room/slots/{id}/{what}"))) {
                        (context.csrf_field())
                        button .quiet type="submit" { (word) span .sr { " " (slot.name) } }
                    }
                } @else { span .hint { "taken" } }
            }
        }
    }
}
