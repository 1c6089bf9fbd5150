//! What is the same on all pages of a site: where it lies, whom it is for, and its texts.

use std::sync::LazyLock;

use bff::ProblemKind;

use crate::assets::{Asset, ICON, SCRIPT};

/// A set of pages with one navigation and one session.
#[derive(Debug)]
pub struct Site {
    /// The path of the first page, such as `/shop`. All other pages lie below it. [`Pages`](crate::Pages) adds `sign-in`,
    /// `signed-in`, `sign-out` and `assets/{name}`.
    pub base: &'static str,
    /// The scope that a token must have.
    pub scope: &'static str,
    /// The name of the session's cookie, and the beginning of the names of the site's other cookies. Sites of one host need
    /// different names.
    pub cookie: &'static str,
    /// What the site is called. The first letter is its mark.
    pub name: &'static str,
    /// Pages that every page links to: their addresses relative to the first page, and their texts.
    pub nav: &'static [(&'static str, &'static str)],
    /// Other sites of the platform: their addresses relative to the first page, and their texts.
    pub links: &'static [(&'static str, &'static str)],
    /// The last line of each page.
    pub footer: &'static str,
    /// The style sheet.
    pub style: &'static LazyLock<Asset>,
    /// Whether an address, relative to the first page, is a page to which a person may return after signing in.
    pub is_page: fn(&str) -> bool,
    /// The page that contains the form which is sent to this address, both relative to the first page, if the page can fill in
    /// the form again. It finds what was entered as a [`KeptForm`](crate::KeptForm).
    pub page_of_form: fn(&str) -> Option<&str>,
    /// The title and the text of an error page.
    pub problem: fn(ProblemKind) -> (&'static str, &'static str),
    /// The texts of the sign-in page of a local stage, on which users sign in under any name.
    pub local_sign_in: LocalSignIn,
}

/// The texts of the sign-in page of a local stage.
#[derive(Clone, Copy, Debug)]
pub struct LocalSignIn {
    /// Explains that any name is accepted.
    pub text: &'static str,
    /// The label of the name's field.
    pub label: &'static str,
    /// A name to begin with.
    pub sample: &'static str,
}

impl Site {
    /// The relative path from a page to the first page. Links work whatever precedes the routes, such as a stage.
    #[must_use]
    pub fn root_of(&self, path: &str) -> String {
        let Some((_, below)) = path.split_once(self.base) else { return "./".to_owned() };
        match below.matches('/').count() {
            // The base without a slash at its end lies next to the folder of the other pages.
            0 => format!("{}/", self.base.trim_start_matches('/')),
            1 => "./".to_owned(),
            depth => "../".repeat(depth - 1),
        }
    }

    /// The page to return to after signing in: one of the site's own pages, or the first one.
    #[must_use]
    pub fn return_to<'a>(&self, requested: &'a str) -> &'a str {
        if (self.is_page)(requested) { requested } else { "" }
    }

    /// A path relative to the first page: empty for the first page itself.
    pub(crate) fn relative<'a>(&self, path: &'a str) -> &'a str {
        path.split_once(self.base).map_or("", |it| it.1).trim_matches('/')
    }

    /// The page at this path, or the nearest one above it: a form's address lies below the form's page.
    pub(crate) fn nearest_page<'a>(&self, path: &'a str) -> &'a str {
        let mut nearest = self.relative(path);
        while !nearest.is_empty() && !(self.is_page)(nearest) {
            nearest = nearest.rsplit_once('/').map_or("", |it| it.0);
        }
        nearest
    }

    pub(crate) fn asset(&self, name: &str) -> Option<&'static Asset> {
        let all: [&'static Asset; 3] = [self.style, &SCRIPT, &ICON];
        all.into_iter().find(|it| it.path().strip_prefix("assets/") == Some(name))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::style("p {}"));

    pub(crate) static SITE: Site = Site {
        base: "/shop",
        scope: "reader",
        cookie: "shop-session",
        name: "Shop",
        nav: &[("", "Books"), ("orders", "Orders")],
        links: &[("../docs", "API documentation")],
        footer: "Books.",
        style: &STYLE,
        is_page: |it| it == "orders" || it.strip_prefix("orders/").is_some_and(|it| it.len() == 1),
        page_of_form: |it| it.strip_suffix("/cancel"),
        problem: |_| ("No", "It is not so."),
        local_sign_in: LocalSignIn { text: "Use any name.", label: "Reader", sample: "ada" },
    };

    #[test]
    fn every_page_finds_the_first_one() {
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
    fn a_person_returns_to_a_page_of_this_site_and_to_no_other_address() {
        for (path, nearest) in [
            ("/v1/shop/orders/7", "orders/7"),
            ("/shop/orders/7/cancel", "orders/7"),
            ("/shop/orders", "orders"),
            ("/shop/orders/", "orders"),
            ("/shop/orders/7/", "orders/7"),
            ("/shop/", ""),
            ("/shop/elsewhere", ""),
            ("/", ""),
        ] {
            assert_eq!(SITE.nearest_page(path), nearest, "{path}");
        }
        for bad in ["//evil.example", "https://evil.example", "orders/../x", "/x", "sign-out"] {
            assert_eq!(SITE.return_to(bad), "");
        }
        assert_eq!(SITE.return_to("orders/7"), "orders/7");
    }
}
