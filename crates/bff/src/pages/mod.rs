//! Pages for people: what surrounds each of them, who may see them, and what keeps others from using them.
//!
//! A backend whose clients are browsers describes its pages as a [`Site`], and serves them through [`Front`]: that signs
//! people in and out, makes sure that a form comes from one of the site's own pages, and makes a page of every problem.
//! All files are its own; nothing is inline, nothing comes from elsewhere, and everything works without a script.

pub mod assets;
pub mod https;
pub mod provider;
pub mod session;
pub mod sign_in;
pub mod words;

mod front;
mod problem;

pub use front::{Fresh, Front, Visitor};

use std::sync::LazyLock;

use maud::{DOCTYPE, Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use self::assets::{Asset, ICON, SCRIPT};
use crate::answer::Answer;
use crate::problem::{Problem, ProblemKind};

/// What needs no sign of its own in a query or a form.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A set of pages: where it lies, whom it is for, and what is the same on all of them.
#[derive(Debug)]
pub struct Site {
    /// The route of the first page, such as `/shop`; all others lie below it. `sign-in`, `signed-in`, `sign-out` and
    /// `assets/{name}` are served by the [`Front`].
    pub base: &'static str,
    /// The scope that a token must have.
    pub scope: &'static str,
    /// Name of the cookie with the token. Sites of one host need names of their own.
    pub session: &'static str,
    /// Name of the cookie of somebody who is about to sign in.
    pub signing_in: &'static str,
    /// What it is called; its first letter is its mark.
    pub name: &'static str,
    /// Pages that every page links to, as seen from the first one, and what they are called.
    pub nav: &'static [(&'static str, &'static str)],
    /// The last line of each page.
    pub footer: &'static str,
    /// How the pages look.
    pub style: &'static LazyLock<Asset>,
    /// Whether that is a page which somebody may be sent to after signing in, as seen from the first one.
    pub is_page: fn(&str) -> bool,
    /// A title and a sentence for a page that can't be shown.
    pub problem: fn(ProblemKind) -> (&'static str, &'static str),
    /// What the page says on which anybody can sign in under any name.
    pub anybody: Anybody,
}

/// The words of the page on which anybody can sign in.
#[derive(Clone, Copy, Debug)]
pub struct Anybody {
    /// What it means to do so.
    pub text: &'static str,
    /// What the name is the name of.
    pub label: &'static str,
    /// A name that will do.
    pub sample: &'static str,
}

impl Site {
    /// The way from a page back to the first one, by its path as it was asked for.
    #[must_use]
    pub fn root_of(&self, path: &str) -> String {
        let Some((_, below)) = path.split_once(self.base) else { return "./".to_owned() };
        match below.matches('/').count() {
            // The base without a slash lies beside the folder that it stands for.
            0 => format!("{}/", self.base.trim_start_matches('/')),
            1 => "./".to_owned(),
            depth => "../".repeat(depth - 1),
        }
    }

    /// Where to go after signing in: one of the site's own pages, as seen from the first one, and nothing else.
    #[must_use]
    pub fn safe_back<'a>(&self, asked: &'a str) -> &'a str {
        if (self.is_page)(asked) { asked } else { "" }
    }

    /// The page that somebody wanted who asked for this path: it, or the one that it lies below.
    fn wanted<'a>(&self, path: &'a str) -> &'a str {
        let mut wanted = path.split_once(self.base).map_or("", |it| it.1).trim_matches('/');
        while !wanted.is_empty() && !(self.is_page)(wanted) {
            wanted = wanted.rsplit_once('/').map_or("", |it| it.0);
        }
        wanted
    }

    fn asset(&self, name: &str) -> Option<&'static Asset> {
        let all: [&'static Asset; 3] = [self.style, &SCRIPT, &ICON];
        all.into_iter().find(|it| it.path().strip_prefix("assets/") == Some(name))
    }
}

/// Where a page is, and for whom.
#[derive(Clone, Debug)]
pub struct Place {
    /// The set that it belongs to.
    pub site: &'static Site,
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
    Known(String),
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

/// A whole page.
#[derive(Debug)]
pub struct Page<'a> {
    /// Where it is.
    pub place: &'a Place,
    /// What it is called.
    pub title: &'a str,
    /// Seconds after which it is to be looked at again, if something may have happened by then.
    pub again_after: Option<u32>,
    /// What it is about.
    pub main: Markup,
}

impl Page<'_> {
    /// The document.
    #[must_use]
    pub fn render(self) -> String {
        let Self { place, title, again_after, main } = self;
        let site = place.site;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · " (site.name) }
                    link rel="stylesheet" href=(place.link(site.style.path()));
                    link rel="icon" type="image/svg+xml" href=(place.link(ICON.path()));
                    script defer src=(place.link(SCRIPT.path())) {}
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
                    footer { p { (site.footer) } }
                }
            }
        };
        page.into_string()
    }
}

fn top(place: &Place) -> Markup {
    let name = place.site.name;
    let (mark, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
    html! {
        a .brand href=(place.link("")) { span .mark aria-hidden="true" { (mark) } (rest) }
        nav aria-label="Main" {
            @if place.who == Who::Nobody {
                a href=(place.link("sign-in")) { "Sign in" }
            } @else {
                @for (link, text) in place.site.nav { a href=(place.link(link)) { (text) } }
            }
        }
        @if let Who::Known(who) = &place.who {
            form .sign-out method="post" action=(place.link("sign-out")) {
                (hidden("proof", &place.proof))
                span .who title="Signed in as" { (who) }
                button .quiet type="submit" { "Sign out" }
            }
        }
    }
}

/// A field of a form that nobody sees.
#[must_use]
pub fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// A word to the reader that is not part of what they came for; `kind` is `error`, `warning` or `info`.
#[must_use]
pub fn notice(kind: &str, text: &Markup) -> Markup {
    let role = if kind == "error" { "alert" } else { "status" };
    html! { div .notice.(kind) role=(role) { (text) } }
}

/// A text as a value in a query or a form.
#[must_use]
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// A page that says itself what went wrong: told to the log as any other problem is.
#[must_use]
pub fn troubled(problem: &Problem, page: String) -> Answer {
    let (reason, status) = (problem.kind().slug(), problem.kind().status());
    if status >= 500 {
        let cause = problem.cause().and_then(std::error::Error::source).map(ToString::to_string);
        tracing::error!(reason, detail = problem.detail(), cause, "failed");
    } else {
        tracing::info!(reason, "refused");
    }
    let answer = Answer::html(status, page);
    match problem.retry_after() {
        Some(wait) => answer.with("Retry-After", wait.as_secs().to_string()),
        None => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::style("p {}"));

    pub(crate) static SITE: Site = Site {
        base: "/shop",
        scope: "reader",
        session: "shop-session",
        signing_in: "shop-signing-in",
        name: "Shop",
        nav: &[("", "Books"), ("orders", "Orders")],
        footer: "Books.",
        style: &STYLE,
        is_page: |it| it == "orders" || it.strip_prefix("orders/").is_some_and(|it| it.len() == 1),
        problem: |_| ("No", "It is not so."),
        anybody: Anybody { text: "Be anybody.", label: "Reader", sample: "ada" },
    };

    #[test]
    fn every_page_finds_its_way_back_to_the_first_one() {
        for (path, root) in [
            ("/shop", "shop/"),
            ("/shop/", "./"),
            ("/shop/orders", "./"),
            ("/shop/orders/", "../"),
            ("/shop/orders/7", "../"),
            ("/shop/orders/7/cancel", "../../"),
            ("", "./"),
        ] {
            assert_eq!(SITE.root_of(path), root, "{path}");
        }
    }

    #[test]
    fn who_has_signed_in_is_sent_to_a_page_of_this_site_and_nowhere_else() {
        for (path, wanted) in [
            ("/v1/shop/orders/7", "orders/7"),
            ("/shop/orders/7/cancel", "orders/7"),
            ("/shop/orders", "orders"),
            ("/shop/orders/", "orders"),
            ("/shop/", ""),
            ("/shop/elsewhere", ""),
            ("/", ""),
        ] {
            assert_eq!(SITE.wanted(path), wanted, "{path}");
        }
        for bad in ["//evil.example", "https://evil.example", "orders/../x", "/x", "sign-out"] {
            assert_eq!(SITE.safe_back(bad), "");
        }
        assert_eq!(SITE.safe_back("orders/7"), "orders/7");
    }

    #[test]
    fn what_goes_into_a_query_stays_one_value() {
        assert_eq!(encoded("a b&c=d/ü"), "a%20b%26c%3Dd%2F%C3%BC");
    }
}
