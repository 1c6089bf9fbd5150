//! Asks once before something is done that stops work or deletes something. A page of its own, so that it needs no script.

use bff::pages::{Page, Place, hidden, notice};
use maud::{Markup, html};

/// What is asked.
#[derive(Debug)]
pub struct Confirmation<'a> {
    /// The question.
    pub title: &'a str,
    /// What follows from a yes.
    pub text: Markup,
    /// Where the yes goes.
    pub action: &'a str,
    /// What it carries.
    pub hidden: &'a [(&'a str, &'a str)],
    /// What is to be filled in.
    pub field: Option<Field<'a>>,
    /// What the button says.
    pub button: &'a str,
    /// The page for a no, as seen from the first one.
    pub back: &'a str,
}

/// A text that is to be given with the yes.
#[derive(Debug)]
pub struct Field<'a> {
    /// Its name in the form.
    pub name: &'a str,
    /// What it is for.
    pub label: &'a str,
    /// How long it may be.
    pub length_max: usize,
    /// What it holds.
    pub value: &'a str,
    /// Why it was not accepted.
    pub error: Option<&'a str>,
}

/// The page.
#[must_use]
pub fn confirm(place: &Place, asked: &Confirmation<'_>) -> String {
    let main = html! {
        div .narrow {
            h1 { (asked.title) }
            (asked.text)
            form method="post" action=(asked.action) {
                (hidden("proof", &place.proof))
                @for (name, value) in asked.hidden { (hidden(name, value)) }
                @if let Some(field) = &asked.field { (field_of(field)) }
                button .danger type="submit" { (asked.button) }
            }
            p { a href=(place.link(asked.back)) { "Cancel" } }
        }
    };
    Page { place, title: asked.title, again_after: None, main }.render()
}

fn field_of(field: &Field<'_>) -> Markup {
    let error = field.error.map(|_| "error");
    html! {
        label for=(field.name) { (field.label) }
        input #(field.name) name=(field.name) required maxlength=(field.length_max) value=(field.value) autocomplete="off"
            aria-invalid=[error.map(|_| "true")] aria-describedby=[error];
        @if let Some(text) = field.error { div #error { (notice("error", &html! { (text) })) } }
    }
}
