//! Files, addresses that no other route takes, preflights, and pages at a public address.

use pages::assets::{ICON, SCRIPT};
use web_bff::views::STYLE;

use super::Sender::{CustomerByBearer, Operator, SignedOut};
use super::{Case, SignIn, all_down, case, responses};
use crate::support::{BOOKING, Routes as _, Sent};

const FOREIGN: &str = "https://evil.example";

fn file(path: &str) -> Sent {
    let name = path.trim_start_matches("assets/");
    Sent::new("GET", "/web/assets/{name}", &[("name", name)])
}

#[tokio::test]
async fn files() {
    let case = |title: &str, sent| case(title, sent).by(SignedOut).with(all_down);
    insta::assert_snapshot!(
        responses([
            case("the style sheet", file(STYLE.path())),
            case("the script", file(SCRIPT.path())),
            case("the icon", file(ICON.path())),
            case("a program", file(SCRIPT.path())).json(),
            case("everything is known", file(SCRIPT.path())).header("If-None-Match", "*"),
            case("from a page of another origin", file(SCRIPT.path())).header("Origin", FOREIGN),
            case("by https", file(SCRIPT.path())).sign_in(SignIn::None),
            case("another version", file("script.000000000000.js")),
            case("another version, a program", file("script.000000000000.js")).json(),
            case("no version", file("style.css")),
            case("a path", file("%2e%2e%2fCargo.toml")),
            case("a parameter", file(SCRIPT.path()).query("v", "1")),
            case("a parameter, a program", file(SCRIPT.path()).query("v", "1")).json(),
        ])
        .await
    );
}

#[tokio::test]
async fn no_such_route() {
    let at = |method: &str| Sent::new(method, "/web/{proxy+}", &[("proxy+", "nope/nope")]);
    let case = |title: &str, sent: Sent| -> Case { case(title, sent).with(all_down) };
    insta::assert_snapshot!(
        responses([
            case("GET", at("GET")),
            case("GET, signed out", at("GET")).by(SignedOut),
            case("GET, signed out, a program", at("GET")).by(SignedOut).json(),
            case("GET, a program", at("GET")).by(CustomerByBearer).json(),
            case("GET, an operator", at("GET")).by(Operator),
            case("GET, any media type", at("GET")).header("Accept", "*/*"),
            case(
                "GET, beside the first page",
                Sent::new("GET", "/web/{proxy+}", &[("proxy+", "x")])
            ),
            case("GET, below a booking", {
                let below = format!("bookings/{BOOKING}/x");
                Sent::new("GET", "/web/{proxy+}", &[("proxy+", &below)])
            }),
            case("HEAD, signed out", at("HEAD")).by(SignedOut),
            case("HEAD", at("HEAD")),
            case("POST, signed out", at("POST")).by(SignedOut),
            case("POST, signed out, a program", at("POST")).by(SignedOut).json(),
            case("POST", at("POST")).fields(&[]),
            case("POST, no form", at("POST")),
            case("POST, by bearer token, a program", at("POST")).by(CustomerByBearer).json(),
            case("DELETE, signed out, a program", at("DELETE")).by(SignedOut).json(),
            case("DELETE, by bearer token, a program", at("DELETE")).by(CustomerByBearer).json(),
            case("another method of a page", Sent::new("DELETE", "/web/bookings", &[])),
            case("another method of a page, a program", Sent::new("DELETE", "/web/bookings", &[]))
                .by(CustomerByBearer)
                .json(),
        ])
        .await
    );
}

#[tokio::test]
async fn preflights() {
    let mut cases = Vec::new();
    for path in [
        "/web",
        "/web/sign-in",
        "/web/signed-in",
        "/web/sign-out",
        "/web/bookings",
        "/web/bookings/{bookingId}",
        "/web/bookings/{bookingId}/payments",
        "/web/bookings/{bookingId}/cancel",
        "/web/bookings/{bookingId}/check-out",
        "/web/assets/{name}",
        "/web/{proxy+}",
    ] {
        let parameters = [("bookingId", BOOKING), ("name", "x.css"), ("proxy+", "nope")];
        let parameters: Vec<_> = parameters
            .into_iter()
            .filter(|(name, _)| path.contains(&format!("{{{name}}}")))
            .collect();
        let sent = || Sent::new("OPTIONS", path, &parameters);
        let case = |title: &str| case(title, sent()).by(SignedOut).with(all_down);
        cases.push(case(path));
        cases.push(
            case(&format!("{path} from another origin"))
                .header("Origin", FOREIGN)
                .header("Access-Control-Request-Method", "POST"),
        );
    }
    insta::assert_snapshot!(responses(cases).await);
}

/// Cookies are for https alone there, and browsers are to use nothing else.
#[tokio::test]
async fn at_a_public_address() {
    let case = |title: &str, sent| case(title, sent).sign_in(SignIn::None);
    insta::assert_snapshot!(
        responses([
            case("a page", Sent::get("/web")),
            case("a page, signed out", Sent::get("/web")).by(SignedOut),
            case("a page, signed out, a program", Sent::get("/web")).by(SignedOut).json(),
            case("JSON", Sent::booking("GET", "").json()),
            case("a form", Sent::booking("POST", "/cancel")).fields(&[]),
            case("a preflight", Sent::new("OPTIONS", "/web", &[])).header("Origin", FOREIGN),
        ])
        .await
    );
}
