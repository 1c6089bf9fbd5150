//! The layout of every page: head, navigation, footer, and the elements that pages have in common.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use maud::{DOCTYPE, Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::assets::{ICON, SCRIPT};
use crate::csrf::FIELD as CSRF_FIELD;
use crate::site::Site;

/// What needs no encoding in a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What every page needs to know of its request: its site, its address, its user. An extractor in the handlers of pages.
#[derive(Clone, Debug)]
pub struct PageContext {
    /// The site of the page.
    pub site: &'static Site,
    /// The relative path from this page to the first one, such as `./` or `../`: links work whatever precedes the routes.
    pub root: String,
    /// The page's own address, relative to the first page, such as `orders`. The navigation marks it.
    pub here: String,
    /// Who is signed in.
    pub user: CurrentUser,
    /// The CSRF token, which every form of the page contains.
    pub csrf: String,
}

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CurrentUser {
    /// The subject of the user's token.
    SignedIn(String),
    /// No user is signed in.
    Anonymous,
    /// Not known: the request failed before the session was read.
    Unknown,
}

impl PageContext {
    /// The context of a request without a session.
    pub(crate) fn anonymous(site: &'static Site, path: &str, csrf: String) -> Self {
        let here = site.relative(path).to_owned();
        Self { site, root: site.root_of(path), here, user: CurrentUser::Anonymous, csrf }
    }

    /// The subject of the user's token; empty if no user is signed in.
    #[must_use]
    pub fn subject(&self) -> &str {
        match &self.user {
            CurrentUser::SignedIn(subject) => subject,
            CurrentUser::Anonymous | CurrentUser::Unknown => "",
        }
    }

    /// The hidden field with the CSRF token, for every form that is sent by `POST`.
    #[must_use]
    pub fn csrf_field(&self) -> Markup {
        hidden(CSRF_FIELD, &self.csrf)
    }

    /// The link to an address that is relative to the first page.
    #[must_use]
    pub fn link(&self, to: &str) -> String {
        format!("{}{to}", self.root)
    }

    /// The value of `aria-current` for a link of the navigation: `page` for this page, `true` for the section of this page.
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
    /// Its request.
    pub context: &'a PageContext,
    /// Its title, without the site's name.
    pub title: &'a str,
    /// The number of seconds after which the page refreshes itself, if something may have happened by then.
    pub refresh_after: Option<u32>,
    /// Its content.
    pub main: Markup,
}

impl Page<'_> {
    /// The HTML document.
    #[must_use]
    pub fn render(self) -> String {
        let Self { context, title, refresh_after, main } = self;
        let site = context.site;
        // A timed reload would discard what was entered, and move a screen reader back to the start of the page.
        let refreshes = refresh_after.filter(|_| !main.0.contains("<form"));
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · " (site.name) }
                    link rel="stylesheet" href=(context.link(site.style.path()));
                    link rel="icon" type="image/svg+xml" href=(context.link(ICON.path()));
                    script defer src=(context.link(SCRIPT.path())) {}
                    // Where there is a script, it refreshes the page without losing the focus or what was entered.
                    @if let Some(seconds) = refreshes {
                        noscript { meta http-equiv="refresh" content=(seconds); }
                    }
                }
                body {
                    a .skip href="#main" { "Skip to the content" }
                    header .top { (top(context)) }
                    // The script announces changes here, for screen readers.
                    p #announcement .sr role="status" {}
                    @if refresh_after.is_some() && refreshes.is_none() {
                        noscript { p .refresh { "This page does not update by itself. " a href="" { "Refresh" } } }
                    }
                    main #main tabindex="-1" data-refresh-after=[refresh_after] { (main) }
                    footer {
                        @if !site.links.is_empty() {
                            nav aria-label="Other sites" {
                                @for (link, text) in site.links { a href=(context.link(link)) { (text) } }
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

fn top(context: &PageContext) -> Markup {
    let name = context.site.name;
    let (mark, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
    html! {
        // The mark is a letter of the name, so the two together are read as one word only if the link says so.
        a .brand href=(context.link("")) aria-label=(name) { span .mark { (mark) } (rest) }
        nav aria-label="Main" {
            @if context.user == CurrentUser::Anonymous {
                (nav_link(context, "sign-in", "Sign in"))
            } @else {
                @for (link, text) in context.site.nav { (nav_link(context, link, text)) }
            }
        }
        @if let CurrentUser::SignedIn(subject) = &context.user {
            form .sign-out method="post" action=(context.link("sign-out")) {
                (context.csrf_field())
                span .who title="Signed in as" { (subject) }
                button .quiet type="submit" { "Sign out" }
            }
        }
    }
}

fn nav_link(context: &PageContext, link: &str, text: &str) -> Markup {
    html! { a href=(context.link(link)) aria-current=[context.current(link)] { (text) } }
}

/// A form that is sent only after a confirmation.
#[derive(Debug)]
pub struct Confirmation<'a> {
    /// The id of the element, unique in the page.
    pub id: &'a str,
    /// The address that the form is sent to, relative to the first page.
    pub to: &'a str,
    /// The text of the first button, which opens the question.
    pub label: &'a str,
    /// Whether the action is irreversible.
    pub is_destructive: bool,
    /// Whether the question is open already, because the form is shown again.
    pub is_open: bool,
    /// What the action does, and the form's other fields.
    pub question: Markup,
    /// The text of the second button, which sends the form.
    pub confirm: &'a str,
}

/// A disclosure with a form in it: its summary is the first button. It needs no script, and a keyboard is enough.
#[must_use]
pub fn confirmation(context: &PageContext, it: &Confirmation<'_>) -> Markup {
    let danger = it.is_destructive.then_some("danger");
    html! {
        details .confirmation #(it.id) open[it.is_open] {
            summary .button .(danger.unwrap_or("plain")) { (it.label) }
            form method="post" action=(context.link(it.to)) {
                (context.csrf_field())
                (it.question)
                button .(danger.unwrap_or("plain")) type="submit" { (it.confirm) }
            }
        }
    }
}

/// A hidden field of a form.
#[must_use]
pub fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// A message to the user; `kind` is `error`, `warning` or `info`.
#[must_use]
pub fn notice(kind: &str, text: &Markup) -> Markup {
    let role = if kind == "error" { "alert" } else { "status" };
    html! { div .notice.(kind) role=(role) { (text) } }
}

/// A text, percent-encoded as a value in a query.
#[must_use]
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

impl<S: Send + Sync> FromRequestParts<S> for PageContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let found = parts.extensions.get::<Self>();
        Ok(found.cloned().expect("`Pages` adds it to every request that it admits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::tests::SITE;

    fn page(here: &str, refresh_after: Option<u32>, main: Markup) -> String {
        let user = CurrentUser::SignedIn("ada".to_owned());
        let (root, csrf) = ("./".to_owned(), "c".to_owned());
        let context = PageContext { site: &SITE, root, here: here.to_owned(), user, csrf };
        Page { context: &context, title: "A page", refresh_after, main }.render()
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
        let user = CurrentUser::SignedIn("ada".to_owned());
        let (root, here) = ("../".to_owned(), "orders/7".to_owned());
        let context = PageContext { site: &SITE, root, here, user, csrf: "c".to_owned() };
        let html = confirmation(
            &context,
            &Confirmation {
                id: "cancel",
                to: "orders/7/cancel",
                label: "Cancel order",
                is_destructive: true,
                is_open: false,
                question: html! { p { "You get your money back." } },
                confirm: "Yes, cancel",
            },
        );
        let html = html.into_string();
        let (summary, form) = html.split_once("</summary>").unwrap();
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
