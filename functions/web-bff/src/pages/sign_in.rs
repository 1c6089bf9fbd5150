//! Signing in: by a button on the local cloud, else at the OpenID provider.

use maud::html;

use super::{Page, Place, hidden, notice};

/// How somebody can sign in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Under any name.
    Anybody,
    /// At the provider, which asks for whatever it asks for.
    Provider,
    /// Not at all.
    Closed,
}

/// The page. `back` is where to go afterwards, `trouble` why it has not worked.
#[must_use]
pub fn render(place: &Place, way: Way, back: &str, name: &str, trouble: Option<&str>) -> String {
    let main = html! {
        div .narrow {
            h1 { "Sign in" }
            @if let Some(trouble) = trouble { (notice("error", &html! { (trouble) })) }
            @match way {
                Way::Anybody => {
                    p { "This is a local cloud: choose any name, and you are that customer. Bookings belong to the name." }
                    form .card method="post" action=(place.link("sign-in")) {
                        (hidden("proof", &place.proof))
                        (hidden("back", back))
                        label for="name" { "Customer" }
                        input #name name="name" value=(name) required maxlength="64"
                            pattern="[A-Za-z0-9][A-Za-z0-9._@\\-]*" autocomplete="username"
                            autocapitalize="none" spellcheck="false" aria-describedby="name-hint";
                        p #name-hint .hint { "Letters, digits, and . _ @ - are fine." }
                        button type="submit" { "Sign in" }
                    }
                }
                Way::Provider => {
                    p { "You sign in where your account is, and come back here." }
                    p { a .button href=(place.link(&format!("sign-in?go=provider&back={}", super::encoded(back)))) { "Continue" } }
                }
                Way::Closed => {
                    p { "Nobody has told these pages where people sign in. Whoever runs this platform sets "
                        code { "OpenId" } " of the edge’s stack." }
                }
            }
        }
    };
    Page { place, title: "Sign in", again_after: None, main }.render()
}
