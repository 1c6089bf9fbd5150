//! The pages: what a person sees, and the words for it. Pure: all that they show is handed to them.

pub mod assets;
pub mod booking;
pub mod bookings;
pub mod problem;
pub mod sign_in;
pub mod slots;
pub mod words;

use bff::compose::{Report, Status};
use maud::{DOCTYPE, Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What needs no sign of its own in a query or a form.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as a value in a query or a form.
#[must_use]
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// Where a page is, and for whom.
#[derive(Clone, Debug)]
pub struct Place {
    /// The way from this page to the first one, such as `./` or `../`: links work whatever stands before the routes.
    pub root: String,
    /// Who looks at it.
    pub who: Who,
    /// What every form carries.
    pub proof: String,
}

/// Who looks at a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Somebody who is signed in.
    Customer(String),
    /// Somebody who is not.
    Nobody,
    /// The page was made before that was asked.
    Unasked,
}

impl Place {
    /// A link, as seen from the first page.
    #[must_use]
    pub fn link(&self, to: &str) -> String {
        format!("{}{to}", self.root)
    }
}

/// The way from a page back to the first one, `/web/`, by its path as it was asked for.
#[must_use]
pub fn root_of(path: &str) -> String {
    let Some((_, below)) = path.split_once("/web") else { return "./".to_owned() };
    match below.matches('/').count() {
        // `/web` without a slash lies beside the folder that it stands for.
        0 => "web/".to_owned(),
        1 => "./".to_owned(),
        depth => "../".repeat(depth - 1),
    }
}

/// A whole page.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) place: &'a Place,
    pub(crate) title: &'a str,
    /// Seconds after which it is to be looked at again, if something may have happened by then.
    pub(crate) again_after: Option<u32>,
    pub(crate) main: Markup,
}

impl Page<'_> {
    pub(crate) fn render(self) -> String {
        let Self { place, title, again_after, main } = self;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · Parkade" }
                    link rel="stylesheet" href=(place.link(assets::STYLE.path()));
                    link rel="icon" type="image/svg+xml" href=(place.link(assets::ICON.path()));
                    script defer src=(place.link(assets::SCRIPT.path())) {}
                    // Where there is a script, it looks by itself, and does not take the page from under somebody's hands.
                    @if let Some(seconds) = again_after {
                        noscript { meta http-equiv="refresh" content=(seconds); }
                    }
                }
                body {
                    a .skip href="#main" { "Skip to the content" }
                    header .top { (top(place)) }
                    // What a script has found new is said here, to whoever can't see it.
                    p #told .sr role="status" {}
                    main #main tabindex="-1" data-again-after=[again_after] { (main) }
                    footer { p { "Parkade, a reference platform. No real money moves." } }
                }
            }
        };
        page.into_string()
    }
}

fn top(place: &Place) -> Markup {
    html! {
        a .brand href=(place.link("")) { span .mark aria-hidden="true" { "P" } "arkade" }
        nav aria-label="Main" {
            @if place.who == Who::Nobody {
                a href=(place.link("sign-in")) { "Sign in" }
            } @else {
                a href=(place.link("")) { "Slots" }
                a href=(place.link("bookings")) { "My bookings" }
            }
        }
        @if let Who::Customer(customer) = &place.who {
            form .sign-out method="post" action=(place.link("sign-out")) {
                (hidden("proof", &place.proof))
                span .who title="Signed in as" { (customer) }
                button .quiet type="submit" { "Sign out" }
            }
        }
    }
}

pub(crate) fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// A word to the reader that is not part of what they came for.
pub(crate) fn notice(kind: &str, text: &Markup) -> Markup {
    let role = if kind == "error" { "alert" } else { "status" };
    html! { div .notice.(kind) role=(role) { (text) } }
}

/// What is not as it should be on this page, for people.
pub(crate) fn troubles(report: &Report) -> Markup {
    let sentence = |name: &str| match report.status(name) {
        Some(Status::Stale { age_seconds, .. }) => html! {
            (words::part(name)) " can’t be asked just now. You see what it said "
            strong { (words::duration(age_seconds)) " ago" } "."
        },
        Some(Status::Missing { .. }) => html! {
            (words::part(name)) " can’t be asked just now, so " (words::what_is_missing(name)) "."
        },
        Some(Status::Fresh) | None => html! {},
    };
    if report.degraded().next().is_none() {
        return html! {};
    }
    let text = html! {
        @for name in report.degraded() { p { (sentence(name)) } }
        p { "The rest of this page is as it should be." }
    };
    notice("warning", &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_finds_its_way_back_to_the_first_one() {
        for (path, root) in [
            ("/web", "web/"),
            ("/web/", "./"),
            ("/web/bookings", "./"),
            ("/web/bookings/", "../"),
            ("/web/bookings/7", "../"),
            ("/web/bookings/7/cancel", "../../"),
            ("", "./"),
        ] {
            assert_eq!(root_of(path), root, "{path}");
        }
    }

    #[test]
    fn what_goes_into_a_query_stays_one_value() {
        assert_eq!(encoded("a b&c=d/ü"), "a%20b%26c%3Dd%2F%C3%BC");
    }
}
