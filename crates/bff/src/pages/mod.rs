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
mod kept_form;
mod problem;

pub use front::{Fresh, Front, Visitor};
pub use kept_form::KeptForm;

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
    /// Where else to go, as seen from the first page: other sites of the platform, and what they are called.
    pub links: &'static [(&'static str, &'static str)],
    /// The last line of each page.
    pub footer: &'static str,
    /// How the pages look.
    pub style: &'static LazyLock<Asset>,
    /// Whether that is a page which somebody may be sent to after signing in, as seen from the first one.
    pub is_page: fn(&str) -> bool,
    /// Routes below the base that only take forms. A browser that asks for one by `GET` is sent to the page of its form.
    pub forms: &'static [&'static str],
    /// The page whose form is sent to that address, both as seen from the first page, if the page can fill the form in again
    /// after the customer has signed in. The page then finds it in [`Visitor::kept_form`].
    pub refillable: fn(&str) -> Option<&str>,
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

    /// A path as seen from the first page: empty for the first page itself.
    fn below<'a>(&self, path: &'a str) -> &'a str {
        path.split_once(self.base).map_or("", |it| it.1).trim_matches('/')
    }

    /// The page that somebody wanted who asked for this path: it, or the one that it lies below.
    fn wanted<'a>(&self, path: &'a str) -> &'a str {
        let mut wanted = self.below(path);
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
    /// The page's own address as seen from the first one, such as `orders`: the navigation marks it.
    pub here: String,
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

    /// What `aria-current` says of a link of the navigation: `page` for this page, `true` for the section that it lies in.
    fn current(&self, link: &str) -> Option<&'static str> {
        let below = self.here.strip_prefix(link)?;
        match below {
            "" => Some("page"),
            _ if !link.is_empty() && below.starts_with('/') => Some("true"),
            _ => None,
        }
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
        // A timed reload would discard what was entered, and move a screen reader back to the start.
        let refreshes = again_after.filter(|_| !main.0.contains("<form"));
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
                    // Where there is a script, it refreshes the page without losing the focus or what was entered.
                    @if let Some(seconds) = refreshes {
                        noscript { meta http-equiv="refresh" content=(seconds); }
                    }
                }
                body {
                    a .skip href="#main" { "Skip to the content" }
                    header .top { (top(place)) }
                    // What a script has found new is said here, to whoever can't see it.
                    p #told .sr role="status" {}
                    @if again_after.is_some() && refreshes.is_none() {
                        noscript { p .refresh { "This page does not update by itself. " a href="" { "Refresh" } } }
                    }
                    main #main tabindex="-1" data-again-after=[again_after] { (main) }
                    footer {
                        @if !site.links.is_empty() {
                            nav aria-label="Other sites" {
                                @for (link, text) in site.links { a href=(place.link(link)) { (text) } }
                            }
                        }
                        p { (site.footer) }
                    }
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
        // The mark is a letter of the name, so the two together are read as one word only if the link says so.
        a .brand href=(place.link("")) aria-label=(name) { span .mark { (mark) } (rest) }
        nav aria-label="Main" {
            @if place.who == Who::Nobody {
                (nav_link(place, "sign-in", "Sign in"))
            } @else {
                @for (link, text) in place.site.nav { (nav_link(place, link, text)) }
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

fn nav_link(place: &Place, link: &str, text: &str) -> Markup {
    html! { a href=(place.link(link)) aria-current=[place.current(link)] { (text) } }
}

/// A form that is sent only after it was confirmed.
#[derive(Debug)]
pub struct Confirmation<'a> {
    /// Its id, which no other element of the page has.
    pub id: &'a str,
    /// Where the form is sent, as seen from the first page.
    pub to: &'a str,
    /// What the first button says, which asks for the confirmation.
    pub label: &'a str,
    /// Whether the action can't be undone.
    pub is_destructive: bool,
    /// What the action does, and whatever else the form holds.
    pub question: Markup,
    /// What the second button says, which sends the form.
    pub confirm: &'a str,
}

/// A disclosure with a form in it: its summary is the first button. It needs no script, and a keyboard is enough.
#[must_use]
pub fn confirmation(place: &Place, it: &Confirmation<'_>) -> Markup {
    let danger = it.is_destructive.then_some("danger");
    html! {
        details .confirmation #(it.id) {
            summary .button .(danger.unwrap_or("plain")) { (it.label) }
            form method="post" action=(place.link(it.to)) {
                (hidden("proof", &place.proof))
                (it.question)
                button .(danger.unwrap_or("plain")) type="submit" { (it.confirm) }
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
        links: &[("../docs", "API documentation")],
        footer: "Books.",
        style: &STYLE,
        is_page: |it| it == "orders" || it.strip_prefix("orders/").is_some_and(|it| it.len() == 1),
        forms: &["/orders/{orderId}/cancel"],
        refillable: |_| None,
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

    fn page(here: &str, again_after: Option<u32>, main: Markup) -> String {
        let who = Who::Known("ada".to_owned());
        let (root, proof) = ("./".to_owned(), "p".to_owned());
        let place = Place { site: &SITE, root, here: here.to_owned(), who, proof };
        Page { place: &place, title: "A page", again_after, main }.render()
    }

    #[test]
    fn the_navigation_marks_the_current_page_or_its_section() {
        for (here, marked) in [
            ("", r#"<a href="./" aria-current="page">Books</a><a href="./orders">Orders</a>"#),
            (
                "orders",
                r#"<a href="./">Books</a><a href="./orders" aria-current="page">Orders</a>"#,
            ),
            (
                "orders/7",
                r#"<a href="./">Books</a><a href="./orders" aria-current="true">Orders</a>"#,
            ),
            ("ordersx", r#"<a href="./">Books</a><a href="./orders">Orders</a>"#),
        ] {
            let page = page(here, None, html! {});
            assert!(page.contains(marked), "{here}: {page}");
        }
    }

    #[test]
    fn the_brand_link_is_named_as_the_site() {
        assert!(page("", None, html! {}).contains(r#"class="brand" href="./" aria-label="Shop""#));
    }

    #[test]
    fn every_page_links_to_the_other_sites() {
        let page = page("", None, html! {});
        let footer = page.split("<footer>").nth(1).unwrap();
        assert!(footer.contains(r#"<a href="./../docs">API documentation</a>"#), "{footer}");
    }

    #[test]
    fn without_a_script_a_page_with_a_form_is_never_refreshed_by_a_timer() {
        let timer = "http-equiv=\"refresh\"";
        let form = html! { form { input name="amount"; } };
        let with_form = page("", Some(1), form);
        assert!(!with_form.contains(timer), "{with_form}");
        assert!(with_form.contains("<a href=\"\">Refresh</a>"), "{with_form}");
        assert!(page("", Some(1), html! { p { "Soon." } }).contains(timer));
        assert!(!page("", None, html! { form {} }).contains("Refresh"));
    }

    #[test]
    fn an_action_that_is_to_be_confirmed_is_sent_by_the_second_button_alone() {
        let who = Who::Known("ada".to_owned());
        let (root, here) = ("../".to_owned(), "orders/7".to_owned());
        let place = Place { site: &SITE, root, here, who, proof: "p".to_owned() };
        let asked = confirmation(
            &place,
            &Confirmation {
                id: "cancel",
                to: "orders/7/cancel",
                label: "Cancel order",
                is_destructive: true,
                question: html! { p { "You get your money back." } },
                confirm: "Yes, cancel",
            },
        );
        let asked = asked.into_string();
        let (summary, form) = asked.split_once("</summary>").unwrap();
        assert!(summary.starts_with("<details class=\"confirmation\" id=\"cancel\"><summary"));
        assert!(summary.ends_with("Cancel order") && !summary.contains("type=\"submit\""));
        assert!(form.starts_with("<form method=\"post\" action=\"../orders/7/cancel\">"), "{form}");
        assert!(form.contains("You get your money back.") && form.contains("Yes, cancel</button>"));
    }

    #[test]
    fn what_goes_into_a_query_stays_one_value() {
        assert_eq!(encoded("a b&c=d/ü"), "a%20b%26c%3Dd%2F%C3%BC");
    }
}
